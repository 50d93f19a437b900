// Counts one among those who are present, for as long as it lives.
// Thread: the worker's.   Lifetime: shorter than the Population and the Loop.
#pragma once

#include "loop/loop.h"
#include "observe/population.h"

namespace penstock::session {

class Presence {
 public:
  Presence(observe::Population& population, const loop::Loop& loop)
      : population_(population), loop_(loop), arrived_(loop.now()) {
    population_.arrive(arrived_);
  }
  Presence(const Presence&) = delete;
  Presence& operator=(const Presence&) = delete;
  ~Presence() { population_.depart(arrived_, loop_.now()); }

 private:
  observe::Population& population_;
  const loop::Loop& loop_;
  const Instant arrived_;
};

}  // namespace penstock::session
