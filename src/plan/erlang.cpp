#include "plan/erlang.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/check.h"
#include "plan/search.h"

namespace penstock::plan {
namespace {

// One step of Erlang's recursion, from B(servers - 1) to B(servers).
double with_one_more(double blocking, uint64_t servers, double load) {
  return load * blocking / (static_cast<double>(servers) + load * blocking);
}

// P(N = n), by the deviance: terms of the size of n log n would cancel and take the digits along.
double poisson_share(double mean, double n) {
  constexpr double kSmall = 16;  // below it Stirling's series is short of digits
  if (n < kSmall) {
    double term = std::exp(-mean);
    for (double k = 1; k <= n; ++k) term *= mean / k;
    return term;
  }
  const double x = (n - mean) / mean;
  const double deviance = mean * ((1 + x) * std::log1p(x) - x);
  const double stirling = 1 / (12 * n) - 1 / (360 * n * n * n);
  return std::exp(-deviance - stirling) / std::sqrt(2 * std::numbers::pi * n);
}

}  // namespace

double erlang_b(uint64_t servers, double load) {
  PENSTOCK_CHECK(load >= 0);
  if (load == 0) return servers == 0 ? 1 : 0;
  // The recursion forgets where it began: each step below the load damps a wrong start by n / load,
  // and 12 sqrt(n) of them by e^-72. So a great load needs few steps.
  const double near = std::min(static_cast<double>(servers), load);
  const double first = std::max(0.0, std::floor(near - 12 * std::sqrt(near)));
  double blocking = 1 - first / load;
  for (auto n = static_cast<uint64_t>(first) + 1; n <= servers && blocking > 0; ++n) {
    blocking = with_one_more(blocking, n, load);
  }
  return blocking;
}

double erlang_c(uint64_t servers, double load) {
  if (load >= static_cast<double>(servers)) return 1;
  const double blocking = erlang_b(servers, load);
  const double idle = 1 - load / static_cast<double>(servers);
  return blocking / (idle + (1 - idle) * blocking);
}

double Queue::relief() const {
  const double variation = (arrival_cv * arrival_cv + service_cv * service_cv) / 2;
  return (static_cast<double>(servers) - load) / (service * variation);
}

double Queue::mean_wait() const {
  return stable() ? wait_probability() / relief() : kEndless;
}

double Queue::wait_beyond(double time) const {
  if (!stable()) return 1;
  const double rate = relief();
  return std::isinf(rate) ? 0 : wait_probability() * std::exp(-time * rate);
}

double Queue::wait_percentile(double share) const {
  if (!stable()) return kEndless;
  const double probability = wait_probability();
  return probability <= 1 - share ? 0 : std::log(probability / (1 - share)) / relief();
}

uint64_t servers_for_blocking(double load, double blocking) {
  PENSTOCK_CHECK(blocking > 0);
  return least(0, kServersMax,
               [&](uint64_t servers) { return erlang_b(servers, load) <= blocking; });
}

double load_for_blocking(uint64_t servers, double blocking) {
  PENSTOCK_CHECK(blocking > 0 && blocking < 1);
  // Erlang B is at least 1 - servers / load, so no greater load can do.
  const double most = (static_cast<double>(servers) + 1) / (1 - blocking);
  return greatest(most, [&](double load) { return erlang_b(servers, load) <= blocking; });
}

uint64_t servers_for_wait(Queue queue, const WaitTarget& target) {
  PENSTOCK_CHECK(target.share > 0);
  const auto first = static_cast<uint64_t>(std::floor(queue.load)) + 1;
  return least(first, kServersMax, [&](uint64_t servers) {
    queue.servers = servers;
    return target.met_by(queue);
  });
}

double load_for_wait(Queue queue, const WaitTarget& target) {
  return greatest(static_cast<double>(queue.servers), [&](double load) {
    queue.load = load;
    return target.met_by(queue);
  });
}

double poisson_at_least(double mean, uint64_t n) {
  PENSTOCK_CHECK(mean >= 0);
  if (n == 0) return 1;
  if (mean == 0) return 0;
  // Added up on the side of n where the terms only shrink.
  auto k = static_cast<double>(n);
  double sum = 0;
  if (k > mean) {
    for (double term = poisson_share(mean, k); term > sum * 1e-17; term *= mean / ++k) sum += term;
    return sum;
  }
  for (double term = poisson_share(mean, --k); term > sum * 1e-17; term *= k-- / mean) sum += term;
  return 1 - sum;
}

uint64_t poisson_quantile(double mean, double excess) {
  PENSTOCK_CHECK(excess > 0);
  return least(static_cast<uint64_t>(excess < 0.5 ? mean : 0), kServersMax,
               [&](uint64_t n) { return poisson_at_least(mean, n + 1) <= excess; });
}

}  // namespace penstock::plan
