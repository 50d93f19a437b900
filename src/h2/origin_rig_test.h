// What tests of the client's side stand on: an origin whose frames are written by hand, and streams
// that note what their session says.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "h2/client_session.h"
#include "h2/rig_test.h"

namespace penstock::h2 {

inline std::string answer_block(std::string_view status, std::string_view more = "") {
  return std::string(kNoTable) + field(":status", status) + std::string(more);
}

inline std::string setting(int id, uint64_t value) {
  return number(static_cast<uint64_t>(id), 2) + number(value, 4);
}
constexpr int kMaxStreams = 3;

// What became of one request.
class NotedAsking final : public Asking {
 public:
  std::vector<Answer> answers;
  bool whole = false;
  std::string heard;
  bool has_ended = false;
  bool has_said_all = false;
  Trailers trailers;
  std::optional<Reset> was_closed;
  std::optional<Code> was_spoilt;
  std::string to_send;
  bool end_after = false;
  Trailers trailers_to_send;

 private:
  void answered(Answer answer, bool last) override {
    answers.push_back(std::move(answer));
    whole = last;
  }
  void spoilt(Code why) override { was_spoilt = why; }
  void received(std::span<const uint8_t> bytes) override {
    heard.append(bytes.begin(), bytes.end());
  }
  void ended(Trailers said) override {
    has_ended = true;
    trailers = std::move(said);
  }
  void closed(Reset why) override { was_closed = why; }
  void said_all() override { has_said_all = true; }
  Piece send(std::span<uint8_t> into) override {
    const size_t count = std::min(into.size(), to_send.size());
    std::copy_n(to_send.begin(), count, into.begin());
    to_send.erase(0, count);
    const bool end = to_send.empty() && end_after;
    return {count, end, end ? trailers_to_send : Trailers()};
  }
};

class ToOrigin : public testing::Test {
 protected:
  explicit ToOrigin(Limits limits = {}) : session_(limits) {}

  // The origin says so; what the session answers is kept.
  void say(std::string_view bytes) {
    session_.feed(bytes_of(bytes), now_);
    listen();
  }
  void listen() {
    for (auto bytes = session_.next(); !bytes.empty(); bytes = session_.next()) {
      said_.append(bytes.begin(), bytes.end());
    }
    if (said_.starts_with(kPreface)) said_.erase(0, kPreface.size());
    for (Frame& one : take_frames(said_)) frames_.push_back(std::move(one));
  }
  void greet(std::string_view settings = "") {
    listen();
    say(frame(kSettings, 0, 0, settings));
    say(frame(kSettings, kAck, 0));
    frames_.clear();
  }
  // A request without a body, or with one that is still to come.
  NotedAsking& ask(std::string_view method = "GET", bool last = true) {
    auto& stream = *streams_.emplace_back(std::make_unique<NotedAsking>());
    id_ = session_.request({{":method", std::string(method)},
                            {":scheme", "https"},
                            {":authority", "a.example"},
                            {":path", "/"}},
                           last, stream);
    listen();
    return stream;
  }
  std::vector<Frame> took(uint8_t type) {
    std::vector<Frame> out;
    for (const Frame& one : frames_) {
      if (one.type == type) out.push_back(one);
    }
    return out;
  }
  // The stream was reset for what it said, and the connection goes on.
  void expect_spoilt(const NotedAsking& stream, Code why = Code::kBadResponse) {
    ASSERT_TRUE(stream.was_spoilt.has_value());
    EXPECT_EQ(*stream.was_spoilt, why);
    ASSERT_EQ(took(kResetStream).size(), 1u);
    EXPECT_EQ(took(kResetStream)[0].code(), static_cast<uint32_t>(Reset::kProtocolError));
    EXPECT_FALSE(session_.failure());
    EXPECT_EQ(session_.open(), 0u);
  }
  void expect_goaway(Reset why) {
    ASSERT_TRUE(session_.failure().has_value());
    EXPECT_EQ(session_.failure()->code, Code::kOriginHttp2);
    const auto said = took(kGoaway);
    ASSERT_EQ(said.size(), 1u);
    EXPECT_EQ(said[0].code(), static_cast<uint32_t>(why));
    EXPECT_TRUE(session_.over());
    EXPECT_TRUE(session_.going());
  }

  Instant now_ = Clock::now();
  StreamId id_ = 0;  // of the last request
  std::vector<std::unique_ptr<NotedAsking>> streams_;
  std::vector<Frame> frames_;
  ClientSession session_;

 private:
  std::string said_;
};

}  // namespace penstock::h2
