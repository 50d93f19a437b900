// What one connection pays to come in under a quota, and to leave. The budget: below 300 ns.
#include <benchmark/benchmark.h>

#include "admission/quotas.h"

namespace penstock::admission {
namespace {

constexpr Instant kNow{std::chrono::hours(1)};
const policy::Asker kAsker{IpAddress::from_v4(10, 20, 0, 7), {}};

QuotaList list_of(const QuotaLimits& limits) {
  QuotaSpec spec;
  spec.name = "ci";
  spec.clients = {{"10.20.0.0/16", {}}};
  spec.limits = limits;
  return *QuotaList::compile({spec}, 0);
}

QuotaLimits every_limit() {
  QuotaLimits limits;
  limits.tunnels = 100;
  limits.setups = {1'000'000'000, std::chrono::seconds(1)};
  limits.bytes = {uint64_t{1} << 40, std::chrono::hours(1)};
  limits.bandwidth = 100 << 20;
  return limits;
}

void come_and_go(benchmark::State& state, const QuotaList& list, const policy::Asker& asker) {
  static Quotas quotas;
  Instant now = kNow;
  for (auto _ : state) {
    auto share = quotas.admit(list, asker, now += std::chrono::microseconds(1));
    benchmark::DoNotOptimize(share);
  }
}

// Nobody set a quota.
void quota_none(benchmark::State& state) {
  come_and_go(state, QuotaList(), kAsker);
}
BENCHMARK(quota_none);

// The account begins and ends with this one tunnel.
void quota_first_tunnel(benchmark::State& state) {
  QuotaLimits limits;
  limits.tunnels = 100;
  come_and_go(state, list_of(limits), kAsker);
}
BENCHMARK(quota_first_tunnel);

void quota_every_limit(benchmark::State& state) {
  come_and_go(state, list_of(every_limit()), kAsker);
}
BENCHMARK(quota_every_limit);

// One account from two workers: what they share is the price.
void quota_every_limit_shared(benchmark::State& state) {
  static const QuotaList list = list_of(every_limit());
  come_and_go(state, list, kAsker);
}
BENCHMARK(quota_every_limit_shared)->Threads(2);

// The account of a tunnel, per read that it charges.
void quota_charge(benchmark::State& state) {
  static SharedDebt debt;
  Instant now = kNow;
  for (auto _ : state) {
    benchmark::DoNotOptimize(debt.charge(now += std::chrono::microseconds(1), Duration(900)));
  }
}
BENCHMARK(quota_charge)->Threads(1)->Threads(2);

}  // namespace
}  // namespace penstock::admission
