// What the tests of this layer stand on: frames written and read by hand, so that a client may
// break every rule, and an owner that notes what its session says.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "h2/session.h"

namespace penstock::h2 {

// RFC 9113 section 6.
enum Type : uint8_t {
  kData = 0,
  kHeaders = 1,
  kPriority = 2,
  kResetStream = 3,
  kSettings = 4,
  kPing = 6,
  kGoaway = 7,
  kWindowUpdate = 8,
  kContinuation = 9,
};
constexpr uint8_t kEndStream = 1;
constexpr uint8_t kAck = 1;
constexpr uint8_t kEndHeaders = 4;

inline std::string number(uint64_t value, int width) {
  std::string out;
  while (width-- > 0) out += static_cast<char>(value >> (8 * width));
  return out;
}

inline std::string frame(uint8_t type, uint8_t flags, StreamId id, std::string_view payload = "") {
  return number(payload.size(), 3) + number(type, 1) + number(flags, 1) +
         number(static_cast<uint64_t>(id), 4) + std::string(payload);
}

// A literal field without indexing, nor Huffman (RFC 7541 section 6.2.2).
inline std::string field(std::string_view name, std::string_view value) {
  const auto text = [](std::string_view bytes) {
    if (bytes.size() < 127) return number(bytes.size(), 1) + std::string(bytes);
    std::string out = number(127, 1);
    size_t rest = bytes.size() - 127;
    for (; rest >= 128; rest >>= 7) out += static_cast<char>(rest % 128 + 128);
    return out + static_cast<char>(rest) + std::string(bytes);
  };
  return number(0, 1) + text(name) + text(value);
}

// An update of the table's size to what our settings say, which a block must begin with once they
// are known (RFC 7541 section 4.2), and may at any time.
constexpr std::string_view kNoTable = "\x20";

inline std::string connect_block(std::string_view authority) {
  return std::string(kNoTable) + field(":method", "CONNECT") + field(":authority", authority);
}

inline std::string headers(StreamId id, std::string_view block, uint8_t flags = 0) {
  return frame(kHeaders, kEndHeaders | flags, id, block);
}

inline std::string reset_frame(StreamId id, Reset why = Reset::kCancel) {
  return frame(kResetStream, 0, id, number(static_cast<uint64_t>(why), 4));
}

struct Frame {
  uint8_t type;
  uint8_t flags;
  StreamId id;
  std::string payload;

  uint32_t code() const {  // of RST_STREAM; of GOAWAY, behind the last stream
    const size_t at = type == kGoaway ? 4 : 0;
    uint32_t out = 0;
    for (size_t i = 0; i < 4; ++i) out = out << 8 | static_cast<uint8_t>(payload.at(at + i));
    return out;
  }
};

// Those at the front of `bytes` that are whole.
inline std::vector<Frame> take_frames(std::string& bytes) {
  std::vector<Frame> out;
  while (bytes.size() >= 9) {
    const auto at = [&](size_t i) { return uint32_t{static_cast<uint8_t>(bytes[i])}; };
    const size_t length = at(0) << 16 | at(1) << 8 | at(2);
    if (bytes.size() < 9 + length) break;
    out.push_back({static_cast<uint8_t>(at(3)), static_cast<uint8_t>(at(4)),
                   static_cast<StreamId>(at(5) << 24 | at(6) << 16 | at(7) << 8 | at(8)),
                   bytes.substr(9, length)});
    bytes.erase(0, 9 + length);
  }
  return out;
}

// What became of one stream.
class Noted final : public Stream {
 public:
  std::optional<Result<Request>> request;
  std::string asked;
  std::string heard;
  bool has_ended = false;
  bool has_said_all = false;
  Trailers trailers;
  Trailers trailers_to_send;
  std::optional<Reset> was_closed;
  std::string to_send;
  bool end_after = false;
  bool is_granted = false;

 private:
  void received(std::span<const uint8_t> bytes) override {
    heard.append(bytes.begin(), bytes.end());
  }
  void ended(Trailers trailers_said) override {
    has_ended = true;
    trailers = std::move(trailers_said);
  }
  void closed(Reset why) override { was_closed = why; }
  Piece send(std::span<uint8_t> into) override {
    const size_t count = std::min(into.size(), to_send.size());
    std::copy_n(to_send.begin(), count, into.begin());
    to_send.erase(0, count);
    return {count, to_send.empty() && end_after, to_send.empty() ? trailers_to_send : Trailers()};
  }
  void said_all() override { has_said_all = true; }
  bool granted() const override { return is_granted; }
};

class Http2 : public testing::Test, public Owner {
 protected:
  static constexpr std::string_view kTo = "a.example:443";

  explicit Http2(Limits limits = {}) : session_(limits, *this) {}

  // The client says so; what the session answers is kept.
  void say(std::string_view bytes) {
    session_.feed(bytes_of(bytes), now_);
    listen();
  }
  void listen() {
    for (auto bytes = session_.next(); !bytes.empty(); bytes = session_.next()) {
      said_.append(bytes.begin(), bytes.end());
    }
    for (Frame& one : take_frames(said_)) frames_.push_back(std::move(one));
  }
  void greet() {
    say(kPreface);
    say(frame(kSettings, 0, 0));
    say(frame(kSettings, kAck, 0));
    frames_.clear();
  }
  Noted& stream(StreamId id) { return *streams_.at(id); }
  // A tunnel that was granted.
  Noted& open(StreamId id) {
    say(headers(id, connect_block(kTo)));
    stream(id).is_granted = true;
    session_.answer(id, {{":status", "200"}});
    listen();
    return stream(id);
  }
  std::vector<Frame> took(uint8_t type) {
    std::vector<Frame> out;
    for (const Frame& one : frames_) {
      if (one.type == type) out.push_back(one);
    }
    return out;
  }
  void expect_goaway(Reset why) {
    const auto said = took(kGoaway);
    ASSERT_EQ(said.size(), 1u);
    EXPECT_EQ(said[0].code(), static_cast<uint32_t>(why));
    EXPECT_TRUE(session_.over());
  }
  void expect_failure(Code code) {
    ASSERT_TRUE(session_.failure().has_value());
    EXPECT_EQ(session_.failure()->code, code);
  }

  Stream* requested(StreamId id, Result<Request> request, std::string asked) override {
    if (full_) return nullptr;
    auto& noted = streams_[id] = std::make_unique<Noted>();
    noted->request = std::move(request);
    noted->asked = std::move(asked);
    return noted.get();
  }

  Instant now_ = Clock::now();
  bool full_ = false;
  std::map<StreamId, std::unique_ptr<Noted>> streams_;
  std::vector<Frame> frames_;
  Session session_;

 private:
  std::string said_;
};

}  // namespace penstock::h2
