// What one connection pays at the door while nobody else is there. The budget: below 1 us, against
// some 60 us for the whole CONNECT.
#include <benchmark/benchmark.h>

#include <memory>
#include <vector>

#include "admission/door.h"

namespace penstock::admission {
namespace {

using namespace std::chrono_literals;

const http::Authority kTarget{"api.example.com", {}, 443};
const IpAddress kClient = IpAddress::from_v4(10, 20, 0, 7);

// As configured by default.
DoorLimits by_default() {
  return {.seats = 1000, .pending = 250, .destination = {Adapt::kGradient, 62}, .queue = 250};
}

void seat(benchmark::State& state) {
  Door door({.seats = 1000});
  for (auto _ : state) {
    auto taken = door.take_seat();
    benchmark::DoNotOptimize(taken);
  }
}
BENCHMARK(seat);

// Asked for, held, and given back with what the set-up says of its destination.
void set_up(Door& door, const http::Authority& target, Instant now) {
  Permit permit(door);
  benchmark::DoNotOptimize(permit.ask(target, kClient, now));
  permit.settle(2ms, std::nullopt, now + 2ms);
}

void permit(benchmark::State& state) {
  Door door(by_default());
  Instant now{1h};
  for (auto _ : state) set_up(door, kTarget, now += 100us);
}
BENCHMARK(permit);

// Each set-up to another destination: all that is remembered is walked through.
void permit_to_many_destinations(benchmark::State& state) {
  Door door(by_default());
  std::vector<http::Authority> targets;
  for (int i = 0; i < 10'000; ++i) {
    targets.push_back({"h" + std::to_string(i) + ".example.com", {}, 443});
  }
  Instant now{1h};
  size_t next = 0;
  for (auto _ : state) set_up(door, targets[next++ % targets.size()], now += 100us);
}
BENCHMARK(permit_to_many_destinations);

// The same door from several workers: the lock that they share is the price.
void permit_from_many_threads(benchmark::State& state) {
  static Door door(by_default());
  Instant now{1h};
  for (auto _ : state) set_up(door, kTarget, now += 100us);
}
BENCHMARK(permit_from_many_threads)->Threads(2);

// Overload: one place, and each who comes waits for it first.
void permit_behind_a_queue(benchmark::State& state) {
  DoorLimits limits = by_default();
  limits.destination = {Adapt::kOff, 1};
  Door door(limits);
  Instant now{1h};
  auto holder = std::make_unique<Permit>(door);
  holder->ask(kTarget, kClient, now);
  for (auto _ : state) {
    auto next = std::make_unique<Permit>(door);
    next->ask(kTarget, kClient, now += 100us);
    next->call_me([] {});
    holder->settle(2ms, std::nullopt, now);
    holder = std::move(next);
  }
}
BENCHMARK(permit_behind_a_queue);

}  // namespace
}  // namespace penstock::admission
