// What one connection pays at the door while nobody else is there. The budget: below 1 us, against
// some 60 us for the whole CONNECT.
#include <benchmark/benchmark.h>

#include "admission/door.h"

namespace penstock::admission {
namespace {

const http::Authority kTarget{"api.example.com", {}, 443};
const IpAddress kClient = IpAddress::from_v4(10, 20, 0, 7);

void seat(benchmark::State& state) {
  Door door({.seats = 1000});
  for (auto _ : state) {
    auto taken = door.take_seat();
    benchmark::DoNotOptimize(taken);
  }
}
BENCHMARK(seat);

void admit(benchmark::State& state, const DoorLimits& limits) {
  Door door(limits);
  for (auto _ : state) {
    auto share = door.admit_client(kClient);
    auto permit = door.admit(kTarget);
    benchmark::DoNotOptimize(share);
    benchmark::DoNotOptimize(permit);
  }
}

// As configured by default: a limit on pending set-ups in all and per destination, none per client.
void admit_by_default(benchmark::State& state) {
  admit(state, {.seats = 1000, .pending = 250, .pending_per_destination = 62});
}
BENCHMARK(admit_by_default);

void admit_with_every_limit(benchmark::State& state) {
  admit(state,
        {.seats = 1000, .tunnels_per_client = 10, .pending = 250, .pending_per_destination = 62});
}
BENCHMARK(admit_with_every_limit);

// The same door from several workers: what they share is the price.
void admit_from_many_threads(benchmark::State& state) {
  static Door door({.seats = 1000, .pending = 250, .pending_per_destination = 62});
  for (auto _ : state) {
    auto permit = door.admit(kTarget);
    benchmark::DoNotOptimize(permit);
  }
}
BENCHMARK(admit_from_many_threads)->Threads(2);

}  // namespace
}  // namespace penstock::admission
