#include "plan/simulate.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <queue>
#include <utility>
#include <vector>

namespace penstock::plan {
namespace {

constexpr size_t kBatches = 20;
// Student's t for 19 degrees of freedom, 99 %, both sides.
constexpr double kStudent = 2.861;

constexpr uint64_t kProgressEvery = 1 << 14;

// When each server that is taken will be free again, the first on top.
using Servers = std::priority_queue<double, std::vector<double>, std::greater<>>;

struct Batch {
  uint64_t customers = 0, turned_away = 0, waited = 0;
  double served = 0;  // time, over all
  double began = 0, ended = 0;
  std::vector<double> waits;
};

// Mean and spread of one figure of each batch.
template <class Figure>
Estimate over(std::array<Batch, kBatches>& batches, const Figure& figure) {
  std::array<double, kBatches> values{};
  std::ranges::transform(batches, values.begin(), figure);
  double sum = 0, squares = 0;
  for (const double value : values) sum += value;
  const double mean = sum / kBatches;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return {mean, kStudent * std::sqrt(squares / (kBatches - 1) / kBatches)};
}

double share_of(uint64_t part, uint64_t all) {
  return all == 0 ? 0 : static_cast<double>(part) / static_cast<double>(all);
}

double mean_of(const std::vector<double>& waits) {
  double sum = 0;
  for (const double wait : waits) sum += wait;
  return waits.empty() ? 0 : sum / static_cast<double>(waits.size());
}

double percentile_of(std::vector<double>& waits, double share) {
  if (waits.empty()) return 0;
  const double rank = std::ceil(share * static_cast<double>(waits.size()));
  const auto at = waits.begin() + static_cast<ptrdiff_t>(std::max(rank, 1.0)) - 1;
  std::nth_element(waits.begin(), at, waits.end());
  return *at;
}

class Station {
 public:
  explicit Station(Trial& trial) : trial_(trial), random_(trial.seed) { fill(); }

  // The next customer comes.
  void take_one(Batch& batch) {
    now_ += trial_.gaps.draw(random_);
    batch.ended = now_;
    ++batch.customers;
    if (trial_.waits) {
      queue_up(batch);
    } else {
      take_or_leave(batch);
    }
  }
  double now() const { return now_; }

 private:
  // A system of long services would take long to fill by arrivals: it begins with as many as there
  // will be. What is left of their services is exponential, as it is if those are; of others the
  // warm-up takes care.
  void fill() {
    const double load = trial_.services.mean() / trial_.gaps.mean();
    const double held = std::min(std::floor(load), static_cast<double>(trial_.servers));
    Times left = Times::exponential(trial_.services.mean());
    for (double i = 0; i < held; ++i) taken_.push(left.draw(random_));
  }

  // First come, first served: the next in line gets the server that is free first, so a customer's
  // wait is known when he comes.
  void queue_up(Batch& batch) {
    double begins = now_;
    if (taken_.size() == trial_.servers) {
      begins = std::max(now_, taken_.top());
      taken_.pop();
    }
    if (begins > now_) ++batch.waited;
    batch.waits.push_back(begins - now_);
    serve(batch, begins);
  }

  void take_or_leave(Batch& batch) {
    while (!taken_.empty() && taken_.top() <= now_) taken_.pop();
    if (taken_.size() == trial_.servers) {
      ++batch.turned_away;
    } else {
      serve(batch, now_);
    }
  }

  void serve(Batch& batch, double begins) {
    const double service = trial_.services.draw(random_);
    batch.served += service;
    taken_.push(begins + service);
  }

  Trial& trial_;
  Random random_;
  Servers taken_;
  double now_ = 0;
};

}  // namespace

Outcome simulate(Trial trial, const std::function<void(double)>& progress) {
  Station station(trial);
  const uint64_t all = trial.warm_up + trial.customers;
  uint64_t done = 0;
  const auto take = [&](uint64_t count, Batch& batch) {
    batch.began = station.now();
    for (uint64_t i = 0; i < count; ++i) {
      station.take_one(batch);
      if (++done % kProgressEvery == 0 && progress) progress(share_of(done, all));
    }
  };
  Batch warm_up;
  take(trial.warm_up, warm_up);
  std::array<Batch, kBatches> batches;
  for (Batch& batch : batches) take(std::max<uint64_t>(trial.customers / kBatches, 1), batch);

  Outcome out;
  out.turned_away = over(
      batches, [](const Batch& batch) { return share_of(batch.turned_away, batch.customers); });
  out.had_to_wait =
      over(batches, [](const Batch& batch) { return share_of(batch.waited, batch.customers); });
  out.wait = over(batches, [](const Batch& batch) { return mean_of(batch.waits); });
  out.wait_percentile =
      over(batches, [&](Batch& batch) { return percentile_of(batch.waits, trial.percentile); });
  out.busy = over(batches, [](const Batch& batch) {
    return batch.ended > batch.began ? batch.served / (batch.ended - batch.began) : 0;
  });
  return out;
}

}  // namespace penstock::plan
