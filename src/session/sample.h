// What one worker had counted at one moment. Two of them say what it did in between.
#pragma once

#include <cstdint>

#include "base/time.h"
#include "observe/population.h"

namespace penstock::session {

struct Sample {
  Instant at;
  observe::Census set_ups;
  observe::Census tunnels;
  uint64_t busy_ns = 0;  // the loop was not asleep
  Duration cpu{};        // used by the thread
  uint64_t bytes = 0;    // carried, both ways, as of the worker's last round
};

}  // namespace penstock::session
