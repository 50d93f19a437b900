// Reads a source again and again, and reports.
#pragma once

#include <functional>
#include <string>

#include "trace/options.h"

namespace penstock::trace {

// Where a trace's output goes, on the thread that called run().
struct Outlets {
  std::function<bool(const std::string&)> report;  // stdout; false: nobody reads it any more
  std::function<void(const std::string&)> say;     // stderr, a line
  std::function<void(const std::string&)> plot;    // once, at the end
};

// Blocks until the duration is over or SIGINT or SIGTERM comes. False, and said, if nothing could
// be traced.
bool run(const Options& options, const Outlets& outlets);

}  // namespace penstock::trace
