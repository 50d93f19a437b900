// A bandwidth cap: a token bucket, kept as the one instant at which all that was spent has been
// paid for (GCRA, ATM Forum TM 4.0, section 4.4.2), so that rounding never adds up.
// Pure: it has no clock.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/time.h"

namespace penstock::tunnel {

class Pace {
 public:
  // What may go at once after a silence: 50 ms worth, and enough for a TLS record at least.
  static constexpr Duration kBurst = std::chrono::milliseconds(50);
  static constexpr uint64_t kLeastBurstBytes = 16 * 1024;

  // bytes per second, > 0
  explicit Pace(uint64_t bandwidth);

  // Bytes that may move at `now`.
  size_t allowance(Instant now) const;
  void spend(Instant now, size_t bytes);
  // When half a burst is allowed again: a few large moves cost less than many small ones.
  Instant resume_at() const { return paid_at_ - burst_ / 2; }

 private:
  uint64_t bandwidth_;
  Duration burst_;
  Instant paid_at_{};
};

}  // namespace penstock::tunnel
