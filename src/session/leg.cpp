#include "session/leg.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <utility>

#include "base/bytes.h"

namespace penstock::session {

using http::Coding;

namespace {

constexpr std::string_view kLineEnd = "\r\n";
constexpr std::string_view kLastChunk = "0\r\n\r\n";

}  // namespace

void Leg::cap(uint64_t bandwidth, const admission::Charges& charges) {
  if (bandwidth != 0 || charges) pace_ = std::make_unique<tunnel::Pace>(bandwidth, charges);
}

void Leg::say(std::string_view words) {
  const auto bytes = bytes_of(words);
  held_.insert(held_.end(), bytes.begin(), bytes.end());
}

void Leg::give(std::span<const uint8_t> early) {
  early_.insert(early_.end(), early.begin(), early.end());
}

void Leg::begin(const http::BodyReader& body, Coding coding) {
  body_ = body;
  coding_ = coding;
  begun_ = true;
  ended_ = coding == Coding::kPlain;
}

uint8_t Leg::interest_in_source() const {
  const bool reads = begun_ && !stopped_ && !body_.done() && delivered() && early_.empty() &&
                     state_ == State::kBlocked;
  return reads ? loop::kReadable : uint8_t{0};
}

uint8_t Leg::interest_in_sink() const {
  return !stopped_ && !delivered() ? loop::kWritable : uint8_t{0};
}

Leg::State Leg::failed(State state, int error) {
  error_ = error;
  return state_ = state;
}

Leg::State Leg::pump(Instant now) {
  if (stopped_ || state_ >= State::kEnded) return state_;
  if (state_ == State::kPaced && now < resume_at()) return state_;
  for (int round = 0; round < kShareRounds; ++round) {
    state_ = move(now);
    if (state_ != State::kBusy) return state_;
  }
  return state_;
}

// One read and what becomes of it. kBusy: there may be more.
Leg::State Leg::move(Instant now) {
  if (!flush(now)) return state_;
  if (begun_ && body_.done()) {
    if (!ended_) {
      ended_ = true;
      if (!write(bytes_of(kLastChunk), now)) return state_;
    }
    return State::kDone;
  }
  if (!begun_) return State::kBlocked;
  if (early_.empty() && !from_->source().ready(loop::kReadable)) return State::kBlocked;

  const auto room = relay_.buffer().subspan(kFront, tunnel::Relay::kBufferBytes - kFront - kBack);
  const size_t allowed = pace_ ? pace_->allowance(now, room.size()) : room.size();
  if (allowed == 0) return State::kPaced;
  state_ = State::kBusy;
  const size_t came = receive(room.first(std::min(allowed, room.size())));
  if (pace_) pace_->spend(now, came);
  if (came == 0) return state_;
  pass_on(room.first(came), now);
  return state_;
}

// Bytes that came; 0: none, and state_ says why.
size_t Leg::receive(std::span<uint8_t> into) {
  if (!early_.empty()) {
    const size_t size = std::min(into.size(), early_.size());
    std::copy_n(early_.begin(), size, into.begin());
    early_.erase(early_.begin(), early_.begin() + static_cast<ptrdiff_t>(size));
    return size;
  }
  const loop::Moved moved = from_->read(into);
  if (moved.bytes()) return static_cast<size_t>(moved.count);
  if (moved.would_block()) {
    state_ = State::kBlocked;
  } else if (moved.failed()) {
    failed(State::kReadFailed, moved.error());
  } else if (!body_.end()) {
    state_ = State::kEnded;
  }  // else the body ended with its connection, which the next round finds
  return 0;
}

// Moves the content of `block` to its front; what lies behind the body is kept. How much content
// that is; nothing: the framing is wrong.
std::optional<size_t> Leg::gather(std::span<uint8_t> block) {
  size_t content = 0;
  size_t at = 0;
  while (at < block.size() && !body_.done()) {
    const auto piece = body_.next(text_of(block.subspan(at)));
    if (!piece) return std::nullopt;
    if (!piece->content.empty()) {
      // SAFETY: memmove within the block; the content lies where it was or further to the front.
      std::memmove(block.data() + content, piece->content.data(), piece->content.size());
      content += piece->content.size();
    }
    at += piece->taken;
  }
  if (expected_ && (body_.bytes() > *expected_ || (body_.done() && body_.bytes() != *expected_))) {
    return std::nullopt;
  }
  const auto behind = block.subspan(at);
  early_.insert(early_.begin(), behind.begin(), behind.end());
  return content;
}

// `block` lies in the relay's buffer, with room around it.
void Leg::pass_on(std::span<uint8_t> block, Instant now) {
  const auto content = gather(block);
  if (!content) {
    state_ = State::kBadBody;
    return;
  }
  if (*content == 0) return;
  if (coding_ == Coding::kPlain) {
    write(block.first(*content), now);
    return;
  }
  std::array<char, 16> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), *content, 16).ptr;
  const auto size = static_cast<size_t>(end - digits.data());
  // kFront bytes lie before the block, and kBack bytes behind its last.
  uint8_t* const start = block.data() - size - kLineEnd.size();
  std::ranges::copy(kLineEnd, std::copy_n(digits.data(), size, start));
  std::ranges::copy(kLineEnd, block.data() + *content);
  write({start, size + *content + 2 * kLineEnd.size()}, now);
}

// Sends what was held back. False: not all of it, and state_ says why.
bool Leg::flush(Instant now) {
  if (delivered()) return true;
  const std::vector<uint8_t> held = std::exchange(held_, {});
  const size_t at = std::exchange(held_at_, 0);
  return write(std::span(held).subspan(at), now);
}

// Writes `bytes` or holds back what does not go. False: it waits or has failed, and state_ says so.
bool Leg::write(std::span<const uint8_t> bytes, Instant now) {
  while (!bytes.empty()) {
    const loop::Moved moved = to_.write(bytes);
    if (moved.failed()) {
      failed(State::kWriteFailed, moved.error());
      return false;
    }
    if (moved.would_block()) {
      held_.assign(bytes.begin(), bytes.end());
      state_ = State::kBlocked;
      return false;
    }
    if (carried_.first == Instant{}) carried_.first = now;
    carried_.last = now;
    carried_.copied += static_cast<uint64_t>(moved.count);
    bytes = bytes.subspan(static_cast<size_t>(moved.count));
  }
  return true;
}

}  // namespace penstock::session
