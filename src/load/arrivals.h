// When the starts of an open loop are intended: a function of rate, kind and seed alone, so that
// what happens to earlier starts cannot move later ones.
// Pure.   Thread: one.
#pragma once

#include "base/random.h"
#include "base/time.h"
#include "load/options.h"

namespace penstock::load {

class ArrivalTimes {
 public:
  // `phase`, 0 to 1, moves the fixed starts of one thread between those of the others.
  ArrivalTimes(double per_second, Arrivals kind, uint64_t seed, double phase = 0);

  // The next intended start, counted from the beginning; never before the one given last.
  Duration next();

 private:
  double gap_seconds_;
  Arrivals kind_;
  Random random_;
  double phase_;
  uint64_t given_ = 0;
  double at_seconds_ = 0;
};

}  // namespace penstock::load
