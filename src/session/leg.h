// One direction of a forwarded exchange: heads and a body from one stream to another, the body
// freed of its old framing and given ours. It holds at most one buffer of what its sink did not
// take, and reads nothing more until that is delivered: that is all of back-pressure, as in a
// tunnel. Thread: the worker's.   Lifetime: shorter than its streams and the worker's Relay. Cost:
// one read and one write per 64 KiB; content is moved within the buffer only where it was in
// chunks, and copied only where the sink is full.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "http/body.h"
#include "http/forward.h"
#include "loop/stream.h"
#include "tunnel/flow.h"
#include "tunnel/pace.h"
#include "tunnel/relay.h"

namespace penstock::session {

class Leg {
 public:
  enum class State : uint8_t {
    kBusy,     // has had its share of this turn; more can move at once
    kBlocked,  // waits for its source or its sink
    kPaced,    // waits for a bandwidth cap: see resume_at()
    kDone,     // the body is over and delivered, as is all that was said before
    kEnded,    // the source ended in the middle of the body
    kReadFailed,
    kWriteFailed,
    kBadBody,
  };

  Leg(tunnel::Relay& relay, loop::Stream& from, loop::Stream& to, tunnel::Carried& carried)
      : relay_(relay), from_(&from), to_(to), carried_(carried) {}
  Leg(const Leg&) = delete;
  Leg& operator=(const Leg&) = delete;

  // As of a Flow.
  void cap(uint64_t bandwidth, const admission::Charges& charges);

  // To be delivered before anything else: a head.
  void say(std::string_view words);
  // Bytes of the source that were read already. What is left of them when the body is over is in
  // rest().
  void give(std::span<const uint8_t> early);
  // Behind what was said comes this body.
  void begin(const http::BodyReader& body, http::Coding coding);
  // It reads from `from` instead; before begin().
  void hear(loop::Stream& from) { from_ = &from; }
  // The body has so many bytes, as its head has said in front of it: kBadBody if it has not.
  void expect(std::optional<uint64_t> bytes) { expected_ = bytes; }
  // No more is read or written.
  void stop() { stopped_ = true; }

  State pump(Instant now);
  State state() const { return state_; }
  int error() const { return error_; }  // errno of kReadFailed and kWriteFailed
  bool stopped() const { return stopped_; }
  // Nothing waits for the sink.
  bool delivered() const { return held_at_ == held_.size(); }
  // The whole body has been read, whether or not it is delivered.
  bool heard_all() const { return begun_ && body_.done(); }
  const std::vector<uint8_t>& rest() const { return early_; }

  uint8_t interest_in_source() const;
  uint8_t interest_in_sink() const;
  Instant resume_at() const { return state_ == State::kPaced ? pace_->resume_at() : kNever; }

 private:
  // Of the relay's buffer, in front of content and behind it, for the framing of a chunk.
  static constexpr size_t kFront = 18;
  static constexpr size_t kBack = 8;
  static constexpr int kShareRounds = 8;

  State move(Instant now);
  bool flush(Instant now);
  bool write(std::span<const uint8_t> bytes, Instant now);
  size_t receive(std::span<uint8_t> into);
  void pass_on(std::span<uint8_t> block, Instant now);
  std::optional<size_t> gather(std::span<uint8_t> block);
  State failed(State state, int error);

  tunnel::Relay& relay_;
  loop::Stream* from_;
  loop::Stream& to_;
  tunnel::Carried& carried_;
  std::unique_ptr<tunnel::Pace> pace_;
  std::vector<uint8_t> early_;
  std::vector<uint8_t> held_;
  size_t held_at_ = 0;
  http::BodyReader body_ = http::BodyReader::none();
  http::Coding coding_ = http::Coding::kPlain;
  std::optional<uint64_t> expected_;  // bytes of content
  State state_ = State::kBlocked;
  int error_ = 0;
  bool ended_ = true;  // the framing behind the body's last byte is written
  bool begun_ = false;
  bool stopped_ = false;
};

}  // namespace penstock::session
