// How often something may happen that costs its cause less than it costs us: so many at once, then
// so many in each interval; and what was spent of that.
// Pure: it has no clock.
#pragma once

#include <algorithm>
#include <cstdint>

#include "admission/gcra.h"

namespace penstock::h2 {

class Allowance {
 public:
  Allowance(admission::Ration rate, uint64_t burst) : rule_(rate, burst) {}

  // False: more than is allowed.
  bool spend(Instant now) {
    paid_at_ = rule_.spend(paid_at_, now, 1);
    return paid_at_ - now <= rule_.burst();
  }
  // So many of them were called for.
  void earn(uint64_t count) { paid_at_ = std::max(paid_at_ - rule_.price(count), Instant{}); }

 private:
  admission::Gcra rule_;
  Instant paid_at_{};
};

}  // namespace penstock::h2
