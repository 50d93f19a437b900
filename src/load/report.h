// Results as people and programs read them. Pure: values in, text out.
#pragma once

#include <string>

#include "load/options.h"
#include "load/results.h"

namespace penstock::load {

std::string summary(const Options& options, const Results& results);  // a few lines for a terminal
std::string json(const Options& options, const Results& results);     // one object
std::string csv(const Options& options, const Results& results);  // the main latency, a step a line
std::string plot(const Options& options, const Results& results);  // SVG of its distribution
// One line without its end: what has been done so far, for a terminal.
std::string progress_line(const Options& options, const Results& so_far);

}  // namespace penstock::load
