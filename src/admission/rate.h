// How often something happens, as of late: a count that decays, so it needs no list of instants.
// Pure.   Thread: whoever guards it.
#pragma once

#include <chrono>
#include <cmath>

#include "base/time.h"

namespace penstock::admission {

class Rate {
 public:
  // What happened longer ago than this counts for less than 37 %.
  static constexpr double kMemorySeconds = 5;

  void count(Instant now) {
    decay(now);
    count_ += 1;
  }
  double per_second(Instant now) {
    decay(now);
    return count_ / kMemorySeconds;
  }

 private:
  void decay(Instant now) {
    const double elapsed = std::chrono::duration<double>(now - last_).count();
    if (elapsed > 0) count_ *= std::exp(-elapsed / kMemorySeconds);
    last_ = now;
  }

  double count_ = 0;
  Instant last_{};
};

}  // namespace penstock::admission
