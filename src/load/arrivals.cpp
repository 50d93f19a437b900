#include "load/arrivals.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace penstock::load {

ArrivalTimes::ArrivalTimes(double per_second, Arrivals kind, uint64_t seed, double phase)
    : gap_seconds_(1 / per_second), kind_(kind), random_(seed), phase_(phase) {
  PENSTOCK_CHECK(per_second > 0);
}

Duration ArrivalTimes::next() {
  if (kind_ == Arrivals::kFixed) {
    // Multiplied, not added up: a sum of a million rounded gaps drifts.
    at_seconds_ = (static_cast<double>(given_++) + phase_) * gap_seconds_;
  } else {
    at_seconds_ -= std::log(random_.unit()) * gap_seconds_;
  }
  // Far beyond any run, and still within what a Duration holds.
  constexpr double kEndSeconds = 1e9;
  return std::chrono::duration_cast<Duration>(
      std::chrono::duration<double>(std::min(at_seconds_, kEndSeconds)));
}

}  // namespace penstock::load
