#include "admission/breaker.h"

#include <algorithm>

namespace penstock::admission {
namespace {

// 1 s doubled so often is longer than any pause that can be configured.
constexpr uint8_t kDoublingsMax = 20;

}  // namespace

Breaker::Pass Breaker::ask(const BreakerSettings& settings, Instant now) {
  if (!open_ || settings.failure_percent == 0) return Pass::kGranted;
  if (now < until_ || probing_) return Pass::kRefused;
  probing_ = true;
  return Pass::kProbe;
}

Breaker::Change Breaker::succeeded(const BreakerSettings& settings, Pass pass, Instant now) {
  if (pass == Pass::kProbe) {
    close();
    return Change::kClosed;
  }
  if (open_) return Change::kNone;  // it set out before the breaker opened
  advance(settings, now);
  ++slots_[static_cast<size_t>(slot_ % kSlots)].asked;
  return Change::kNone;
}

Breaker::Change Breaker::failed(const BreakerSettings& settings, Pass pass, Code why, Instant now) {
  if (pass == Pass::kProbe) {
    cause_ = why;
    probing_ = false;
    failed_probes_ = std::min<uint8_t>(failed_probes_ + 1, kDoublingsMax);
    open(settings, now);
    return Change::kNone;
  }
  if (open_ || settings.failure_percent == 0) return Change::kNone;
  advance(settings, now);
  Count& newest = slots_[static_cast<size_t>(slot_ % kSlots)];
  ++newest.asked;
  ++newest.failed;
  const Count all = in_window();
  if (all.asked < settings.minimum ||
      uint64_t{all.failed} * 100 < settings.failure_percent * all.asked) {
    return Change::kNone;
  }
  cause_ = why;
  open(settings, now);
  return Change::kOpened;
}

void Breaker::abandoned(Pass pass) {
  if (pass == Pass::kProbe) probing_ = false;
}

Breaker::State Breaker::state(Instant now) const {
  if (!open_) return State::kClosed;
  return now < until_ ? State::kOpen : State::kHalfOpen;
}

std::optional<Code> Breaker::cause() const {
  return open_ ? std::optional(cause_) : std::nullopt;
}

bool Breaker::idle(const BreakerSettings& settings, Instant now) const {
  if (open_) return false;
  const Duration slot = settings.window / kSlots;
  return now.time_since_epoch() / slot - slot_ >= kSlots || in_window().failed == 0;
}

// Forgets the slots that the window has left behind.
void Breaker::advance(const BreakerSettings& settings, Instant now) {
  const int64_t current = now.time_since_epoch() / (settings.window / kSlots);
  // Counted under a shorter window: those slots have other numbers, and would never grow old.
  if (current + kSlots < slot_) {
    slots_ = {};
    slot_ = current;
  }
  const int64_t stale = std::min<int64_t>(current - slot_, kSlots);
  for (int64_t i = 0; i < stale; ++i) {
    slots_[static_cast<size_t>((current - i) % kSlots)] = {};
  }
  slot_ = std::max(slot_, current);
}

Breaker::Count Breaker::in_window() const {
  Count all;
  for (const Count& slot : slots_) {
    all.asked += slot.asked;
    all.failed += slot.failed;
  }
  return all;
}

void Breaker::open(const BreakerSettings& settings, Instant now) {
  Duration pause = settings.pause;
  for (uint8_t i = 0; i < failed_probes_ && pause < settings.pause_max; ++i) pause *= 2;
  pause = std::min(pause, settings.pause_max);
  // Half of it for certain, the other half by chance.
  const auto half = static_cast<uint64_t>(pause.count()) / 2;
  until_ = now + Duration(static_cast<int64_t>(half + random_.below(half + 1)));
  open_ = true;
}

void Breaker::close() {
  slots_ = {};
  failed_probes_ = 0;
  open_ = false;
  probing_ = false;
}

}  // namespace penstock::admission
