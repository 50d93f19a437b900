#include "session/frames.h"

#include <string.h>

#include <utility>

namespace penstock::session {
namespace {

// A turn's share: others are on this thread.
constexpr int kReadsAtOnce = 4;
constexpr int kWritesAtOnce = 8;
// What is framed at a time, which is what a write takes of TLS.
constexpr size_t kFramesAtOnce = size_t{64} * 1024;
// Frames that may wait for somebody who does not read before it is not read either.
constexpr size_t kBacklogMax = 64;

}  // namespace

void Frames::take_in(std::span<uint8_t> bytes, Instant now) {
  link_.feed(bytes, now);
  ::explicit_bzero(bytes.data(), bytes.size());  // credentials may have been among them
}

// The rest of somebody who takes nothing is left where it is, in its socket.
bool Frames::may_hear() const {
  return !link_.failure() && (unsent_.empty() || link_.backlog() < kBacklogMax);
}

std::optional<int> Frames::hear(Instant now) {
  const auto buffer = relay_.buffer();
  for (int i = 0; i < kReadsAtOnce; ++i) {
    if (!may_hear() || !stream_.source().ready(loop::kReadable)) return std::nullopt;
    const loop::Moved moved = stream_.read(buffer);
    if (moved.would_block()) return std::nullopt;
    if (!moved.bytes()) return moved.error();
    take_in(buffer.first(static_cast<size_t>(moved.count)), now);
  }
  more_ = true;
  return std::nullopt;
}

std::optional<int> Frames::say() {
  for (int i = 0; i < kWritesAtOnce; ++i) {
    while (unsent_.size() < kFramesAtOnce && unsent_at_ == 0) {
      const auto frame = link_.next();
      if (frame.empty()) break;
      unsent_.insert(unsent_.end(), frame.begin(), frame.end());
    }
    if (unsent_.empty() || !stream_.source().ready(loop::kWritable)) return std::nullopt;
    const loop::Moved moved = stream_.write(std::span(unsent_).subspan(unsent_at_));
    if (moved.failed()) return moved.error();
    if (moved.would_block()) return std::nullopt;
    unsent_at_ += static_cast<size_t>(moved.count);
    if (unsent_at_ < unsent_.size()) continue;
    unsent_ = {};
    unsent_at_ = 0;
  }
  more_ = true;
  return std::nullopt;
}

bool Frames::take_more() {
  return std::exchange(more_, false);
}

uint8_t Frames::interest() const {
  const int bits = (may_hear() ? loop::kReadable : 0) | (unsent_.empty() ? 0 : loop::kWritable);
  return static_cast<uint8_t>(bits);
}

}  // namespace penstock::session
