// The systems that the formulas describe, played through: customers arrive, find servers free or
// not, and wait or leave. What was drawn decides, and no formula: it shows where a formula is an
// approximation, and takes times that none describes.
//
// Each figure comes with a confidence interval by the method of batch means: customers behind one
// another are not independent, long batches of them nearly are (A. M. Law, Simulation Modeling and
// Analysis, section 9.5).
//
// Pure; time is a number.   Cost: per customer, one step in a heap of as many times as there are
// servers.
#pragma once

#include <cstdint>
#include <functional>

#include "plan/times.h"

namespace penstock::plan {

struct Trial {
  Times gaps;
  Times services;
  uint64_t servers = 1;
  bool waits = true;             // who finds no server free waits; otherwise he is turned away
  uint64_t customers = 100'000;  // that are counted
  uint64_t warm_up = 10'000;     // that come before them, while the system forgets how it began
  uint64_t seed = 1;
  double percentile = 0.99;  // of waits
};

// A mean, and how far from it the true one may be, in 99 of 100 cases.
struct Estimate {
  double mean = 0;
  double spread = 0;

  bool holds(double value) const { return value >= mean - spread && value <= mean + spread; }
};

struct Outcome {
  Estimate turned_away;      // share of all customers
  Estimate had_to_wait;      // likewise
  Estimate wait;             // mean of all, those who did not wait included
  Estimate wait_percentile;  // of the same
  Estimate busy;             // servers, on average
};

// `progress` hears now and then which share is done.
Outcome simulate(Trial trial, const std::function<void(double)>& progress = {});

}  // namespace penstock::plan
