// When units of work begin. Open loop: at intended instants, whether or not earlier ones have
// finished; latency counts from there, so a stall delays nothing but what it stalls, and is seen in
// every start that fell into it ("coordinated omission", Gil Tene). Closed loop: each of
// `connections` begins its next unit when the last is done.
// Thread: the lane's.
#pragma once

#include "load/alarm.h"
#include "load/arrivals.h"
#include "load/lane.h"
#include "loop/task.h"

namespace penstock::load {

// One unit: does the work, counts what came of it, and says whether it came out right.
using Unit = loop::Task<bool> (*)(Lane& lane, Instant from);

// What becomes of units that are under way when the duration is over. To cut a unit that is late
// would hide that it is, so only work without an end of its own is cut.
enum class AtTheEnd : uint8_t { kFinish, kCut };

loop::Task<> pace(Lane& lane, Unit unit, AtTheEnd at_the_end);

// The error of a start that found no room until the run's patience was over.
inline constexpr const char* kNeverStarted = "never started: no room";

// Gives the lane's intended starts one after the other, each when its time has come.
class Starts {
 public:
  Starts(Lane& lane, Instant last);

  // Waits for the next; empty: there is none left. Those whose turn has not come by `last` are
  // counted as errors.
  loop::Task<std::optional<Instant>> next();

 private:
  Lane& lane_;
  const Instant last_;
  ArrivalTimes times_;
  Alarm alarm_;
  int in_a_row_ = 0;
};

}  // namespace penstock::load
