// The words and numbers that the forms of a report share. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "load/options.h"
#include "load/results.h"
#include "observe/figures.h"

namespace penstock::load {

std::string_view word(Mode mode);      // "setup", as on the command line
std::string_view word(Way way);        // "connect", "relay", "direct"
std::string_view units_of(Mode mode);  // what `finished` counts: "set-ups", "round trips", ...

// The latency that a mode is about, and what it is the latency of.
const Histogram& main_latency(Mode mode, const Results& results);
std::string_view main_latency_is(Mode mode);

using observe::bytes_text;
using observe::count_text;
using observe::latency_text;
using observe::rate_text;

// "setup by CONNECT through 127.0.0.1:3128 to a.example:443, TLS"
std::string what_ran(const Options& options);
// "closed loop of 16 connections, 1 thread, 64 source addresses, seed 1"
std::string how_it_ran(const Options& options);

double per_second(const Results& results);  // finished; 0 before any time has passed

}  // namespace penstock::load
