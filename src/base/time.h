// Monotonic time. Deadlines are absolute Instants that are passed down; nothing below the
// configuration invents a timeout. Wall-clock time appears in log lines only.
#pragma once

#include <chrono>

namespace penstock {

using Clock = std::chrono::steady_clock;
using Instant = Clock::time_point;
using Duration = Clock::duration;  // nanoseconds
static_assert(std::is_same_v<Duration, std::chrono::nanoseconds>);

inline constexpr Instant kNever = Instant::max();

// `at` plus `span`, where a span of zero means "no limit" (as in the configuration) and the sum
// saturates instead of wrapping.
constexpr Instant deadline_after(Instant at, Duration span) {
  if (span <= Duration::zero() || span >= kNever - at) return kNever;
  return at + span;
}

// Whole microseconds between two instants, never negative: the unit of the log's *_us fields.
constexpr int64_t micros_between(Instant from, Instant to) {
  return to <= from ? 0 : std::chrono::duration_cast<std::chrono::microseconds>(to - from).count();
}

}  // namespace penstock
