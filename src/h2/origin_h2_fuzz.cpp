// The client's side of HTTP/2 keeps its bounds whatever an origin says: bytes that are held for a
// stream, heads that are read as one answer, bodies of the length that they promise, nothing heard
// behind an end. Seeds: fuzz/corpus/origin_h2, what origins say from their SETTINGS on, one hazard
// each; the last byte says in what pieces.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/check.h"
#include "h2/client_session.h"
#include "http/answer.h"

namespace penstock::h2 {
namespace {

class Asker final : public Asking {
 public:
  explicit Asker(const Limits& limits) : limits_(limits) {}

  StreamId id = 0;
  bool over() const { return over_; }
  // What has come goes on, in some later turn.
  size_t take_held() { return std::exchange(held_, 0); }

 private:
  void answered(Answer answer, bool last) override {
    PENSTOCK_CHECK(!over_ && !ended_ && !heard_);
    http::AnswerReader reader({64 * 1024, 100}, http::Stop::kAtEach);
    const auto complete = reader.advance(answer.head);
    PENSTOCK_CHECK(complete && *complete);
    PENSTOCK_CHECK(reader.answer(answer.head).length == answer.head.size());
    PENSTOCK_CHECK(reader.answer(answer.head).status == answer.status);
    PENSTOCK_CHECK(!answer.interim() || (!last && ++interim_ <= ClientSession::kInterimMax));
    heard_ = !answer.interim();
    length_ = answer.length;
  }
  void received(std::span<const uint8_t> bytes) override {
    PENSTOCK_CHECK(!over_ && !ended_ && heard_);
    held_ += bytes.size();
    got_ += bytes.size();
    PENSTOCK_CHECK(held_ <= limits_.window_max);
    PENSTOCK_CHECK(!length_ || got_ <= *length_);
  }
  void ended(Trailers trailers) override {
    PENSTOCK_CHECK(!over_ && heard_ && !std::exchange(ended_, true));
    PENSTOCK_CHECK(!length_ || got_ == 0 || got_ == *length_);
    for (const Field& field : trailers) PENSTOCK_CHECK(is_field_name(field.name));
  }
  void spoilt(Code) override { PENSTOCK_CHECK(!std::exchange(over_, true)); }
  void closed(Reset) override { PENSTOCK_CHECK(!std::exchange(over_, true)); }
  Piece send(std::span<uint8_t> into) override {
    const size_t count = std::min(into.size(), to_send_);
    std::fill_n(into.begin(), count, uint8_t{'x'});
    to_send_ -= count;
    return {count, to_send_ == 0, {{"checksum", "1"}}};
  }

  const Limits& limits_;
  std::optional<uint64_t> length_;
  uint64_t got_ = 0;
  size_t held_ = 0;
  size_t to_send_ = 1000;
  int interim_ = 0;
  bool heard_ = false;
  bool ended_ = false;
  bool over_ = false;
};

class Proxy {
 public:
  void judge(std::span<const uint8_t> bytes) {
    for (const bool last : {true, false, true, false}) ask(last);
    turn();
    const size_t step = bytes.empty() ? 1 : size_t{1} << (bytes.back() % 16);
    for (size_t at = 0; at < bytes.size() && !session_.failure(); at += step) {
      session_.feed(bytes.subspan(at, std::min(step, bytes.size() - at)), now_);
      now_ += std::chrono::microseconds(100);
      turn();
      if (streams_.size() < 32) ask(streams_.size() % 2 == 0);
    }
    turn();
    PENSTOCK_CHECK(!session_.failure() || (session_.over() && session_.going()));
    PENSTOCK_CHECK(session_.open() <= streams_.size());
  }

 private:
  void ask(bool last) {
    auto stream = std::make_unique<Asker>(kLimits);
    stream->id = session_.request({{":method", last ? "GET" : "POST"},
                                   {":scheme", "https"},
                                   {":authority", "a.example"},
                                   {":path", "/"}},
                                  last, *stream);
    if (stream->id != 0) streams_.push_back(std::move(stream));
  }
  void turn() {
    for (const auto& stream : streams_) {
      const size_t held = stream->take_held();
      if (!stream->over() && held > 0) session_.consumed(stream->id, held);
    }
    while (!session_.next().empty()) {
    }
  }

  const Limits kLimits{.head = {1024, 12}, .window = 65536};
  Instant now_ = Clock::now();
  std::vector<std::unique_ptr<Asker>> streams_;
  ClientSession session_{kLimits};
};

}  // namespace
}  // namespace penstock::h2

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  penstock::h2::Proxy().judge({data, size});
  return 0;
}
