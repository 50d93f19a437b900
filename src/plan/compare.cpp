#include "plan/compare.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace penstock::plan {
namespace {

Times services_of(const Queue& queue, const Experiment& experiment) {
  if (!experiment.service_times.empty()) {
    return Times::recorded(experiment.service_times).scaled_to(queue.service);
  }
  if (queue.service_cv == 0) return Times::recorded({queue.service});
  if (queue.service_cv == 1) return Times::exponential(queue.service);
  return Times::lognormal(queue.service, queue.service_cv);
}

Times gaps_of(const Queue& queue, const Experiment& experiment) {
  const double mean = queue.service / queue.load;
  if (!experiment.gaps.empty()) return Times::replayed(experiment.gaps).scaled_to(mean);
  if (queue.arrival_cv == 0) return Times::recorded({mean});
  if (queue.arrival_cv == 1) return Times::exponential(mean);
  return Times::lognormal(mean, queue.arrival_cv);
}

}  // namespace

std::string_view word(System system) {
  switch (system) {
    case System::kWorker: return "a worker with its own queue";
    case System::kSharedQueue: return "an instance with one queue";
    case System::kSeats: return "the seats of an instance";
  }
  PENSTOCK_CHECK(false);
}

Demand with_recorded(Demand demand, const Experiment& experiment) {
  if (!experiment.service_times.empty()) {
    demand.service_cv = Times::recorded(experiment.service_times).cv();
  }
  if (!experiment.gaps.empty()) demand.arrival_cv = Times::replayed(experiment.gaps).cv();
  return demand;
}

std::vector<Comparison> compare(const Demand& demand, const Goal& goal, const Sizing& sizing,
                                const Experiment& experiment,
                                const std::function<void(System, double)>& progress) {
  std::vector<Comparison> out;
  const auto play = [&](System system, Trial trial) {
    trial.customers = experiment.set_ups;
    trial.seed = experiment.seed;
    trial.percentile = goal.percentile;
    return simulate(std::move(trial), [&](double share) {
      if (progress) progress(system, share);
    });
  };
  const auto play_queue = [&](System system, const Queue& queue) {
    if (!queue.stable()) return;  // it would grow as long as it is looked at
    const Outcome outcome =
        play(system, {.gaps = gaps_of(queue, experiment),
                      .services = services_of(queue, experiment),
                      .servers = queue.servers,
                      .warm_up = std::max<uint64_t>(experiment.set_ups / 10, 10'000)});
    out.push_back({system, Figure::kMustWait, queue.wait_probability(), outcome.had_to_wait});
    out.push_back({system, Figure::kMeanWait, queue.mean_wait(), outcome.wait});
    out.push_back({system, Figure::kPercentile, queue.wait_percentile(goal.percentile),
                   outcome.wait_percentile});
  };
  play_queue(System::kWorker, sizing.apart);
  if (sizing.one.workers > 1) play_queue(System::kSharedQueue, sizing.pooled);

  if (sizing.one.seats > kSeatsPlayed) return out;
  const auto all = static_cast<double>(sizing.instances);
  const double load = demand.connections() / all;
  const double held = demand.setup_seconds + demand.lifetime_seconds;
  const Outcome seats = play(System::kSeats, {.gaps = Times::exponential(held / load),
                                              .services = Times::exponential(held),
                                              .servers = sizing.one.seats,
                                              .waits = false,
                                              .warm_up = static_cast<uint64_t>(3 * load) + 10'000});
  out.push_back({System::kSeats, Figure::kTurnedAway, sizing.seat_blocking, seats.turned_away});
  out.push_back({System::kSeats, Figure::kInUse, load * (1 - sizing.seat_blocking), seats.busy});
  return out;
}

}  // namespace penstock::plan
