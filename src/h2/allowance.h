// How often something may happen that costs its cause less than it costs us: so many at once, then
// one in each interval. What was spent is kept as the instant at which it will have been paid for.
// Pure: it has no clock.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/time.h"

namespace penstock::h2 {

class Allowance {
 public:
  constexpr Allowance(int64_t burst, Duration each) : burst_(each * burst), each_(each) {}

  // False: more than is allowed.
  bool spend(Instant now) {
    paid_at_ = std::max(paid_at_, now) + each_;
    return paid_at_ - now <= burst_;
  }
  // So many of them were called for.
  void earn(int64_t count) { paid_at_ = std::max(paid_at_ - each_ * count, Instant{}); }

 private:
  const Duration burst_;
  const Duration each_;
  Instant paid_at_{};
};

}  // namespace penstock::h2
