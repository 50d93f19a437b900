// A sizing beside a simulation of it: the same systems, once by formula and once played through.
// Pure.   Cost: set_ups steps for each system; that of the seats first has to live through three
// lifetimes of its tunnels.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "plan/plan.h"
#include "plan/simulate.h"

namespace penstock::plan {

struct Experiment {
  std::vector<double> service_times;  // recorded, in seconds; empty: lognormal or exponential
  std::vector<double> gaps;           // recorded, in order; empty: Poisson
  uint64_t set_ups = 1'000'000;
  uint64_t seed = 1;
};

// More seats than these are not played through.
inline constexpr uint64_t kSeatsPlayed = 5'000'000;

enum class System : uint8_t { kWorker, kSharedQueue, kSeats };
std::string_view word(System system);

enum class Figure : uint8_t { kMustWait, kMeanWait, kPercentile, kTurnedAway, kInUse };

struct Comparison {
  System system;
  Figure figure;
  double model;
  Estimate simulated;
};

// The variation of recorded times becomes that of the demand, for the formulas to know it.
Demand with_recorded(Demand demand, const Experiment& experiment);

// `progress`: which system is played, and which share of it is done.
std::vector<Comparison> compare(const Demand& demand, const Goal& goal, const Sizing& sizing,
                                const Experiment& experiment,
                                const std::function<void(System, double)>& progress = {});

}  // namespace penstock::plan
