// What a deadline costs: every wait of every connection arms one, and nearly all are cancelled.
#include "loop/timer_wheel.h"

#include <benchmark/benchmark.h>

#include <vector>

#include "base/random.h"

namespace penstock::loop {
namespace {

constexpr uint64_t kIdle = 900'000;  // 15 minutes of 1 ms ticks

// 100 000 tunnels with an idle timer each.
struct Crowd {
  explicit Crowd(size_t size) : entries(size) {
    for (WheelEntry& entry : entries) wheel.insert(entry, 1 + random.below(kIdle));
  }
  Random random{1};
  TimerWheel wheel;
  std::vector<WheelEntry> entries;
};

void insert_and_cancel(benchmark::State& state) {
  Crowd crowd(static_cast<size_t>(state.range(0)));
  WheelEntry entry;
  for (auto _ : state) {
    crowd.wheel.insert(entry, 1 + crowd.random.below(kIdle));
    entry.unlink();
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(insert_and_cancel)->Arg(0)->Arg(100'000);

// Each tunnel in turn has traffic and pushes its idle deadline back.
void rearm(benchmark::State& state) {
  Crowd crowd(static_cast<size_t>(state.range(0)));
  size_t turn = 0;
  for (auto _ : state) {
    crowd.wheel.insert(crowd.entries[turn], kIdle + turn);
    turn = turn + 1 == crowd.entries.size() ? 0 : turn + 1;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(rearm)->Arg(100'000);

void insert_and_fire(benchmark::State& state) {
  Crowd crowd(static_cast<size_t>(state.range(0)));
  uint64_t fired = 0;
  for (auto _ : state) {
    const uint64_t now = crowd.wheel.now() + 1;
    crowd.wheel.advance(now, [&](WheelEntry& entry) {
      ++fired;
      crowd.wheel.insert(entry, now + 1 + crowd.random.below(kIdle));
    });
  }
  state.SetItemsProcessed(static_cast<int64_t>(fired));
}
BENCHMARK(insert_and_fire)->Arg(100'000);

void next_expiry(benchmark::State& state) {
  Crowd crowd(static_cast<size_t>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(crowd.wheel.next());
}
BENCHMARK(next_expiry)->Arg(1)->Arg(100'000);

}  // namespace
}  // namespace penstock::loop
