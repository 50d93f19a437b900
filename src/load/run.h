// Runs the load that `options` describe and says what came of it.
#pragma once

#include <functional>
#include <stop_token>

#include "load/options.h"
#include "load/results.h"

namespace penstock::load {

// What whoever watches a run is told while it goes on, on the thread that called run(). Either may
// be empty.
struct Watching {
  std::function<void(const Results& so_far)> progress;  // about four times a second
  // Mode idle: once, when as many tunnels are held as could be opened.
  std::function<void(int tunnels)> all_open;
};

// Blocks until the run is over or `stop` is asked for; what was measured by then is returned.
Results run(const Options& options, const std::stop_token& stop, const Watching& watching);

}  // namespace penstock::load
