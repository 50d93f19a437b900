// What the two books of dialling cost an attempt: the ledger of ports, and the breaker of the
// route.
#include <benchmark/benchmark.h>

#include "admission/ports.h"
#include "admission/routes.h"

namespace penstock::admission {
namespace {

const Endpoint kOrigin = *Endpoint::parse("192.0.2.1:443");

void port_of_a_tunnel(benchmark::State& state) {
  Ports ports{PortRoom{}};
  const PortShare another = ports.take({}, kOrigin, Clock::now());
  const Instant now = Clock::now();
  for (auto _ : state) {
    auto share = ports.take({}, kOrigin, now);
    benchmark::DoNotOptimize(share);
  }
}
BENCHMARK(port_of_a_tunnel);

// Its destination is new to the ledger, and forgotten behind it.
void port_of_a_lone_tunnel(benchmark::State& state) {
  Ports ports{PortRoom{}};
  const Instant now = Clock::now();
  for (auto _ : state) {
    auto share = ports.take({}, kOrigin, now);
    benchmark::DoNotOptimize(share);
  }
}
BENCHMARK(port_of_a_lone_tunnel);

void port_that_rests(benchmark::State& state) {
  Ports ports{PortRoom{}};
  const Instant now = Clock::now();
  for (auto _ : state) ports.take({}, kOrigin, now).rest(now);
}
BENCHMARK(port_that_rests);

// In place of the kernel's search through its whole range: 3.5 ms.
void no_port(benchmark::State& state) {
  Ports ports{PortRoom{.ports = 1}};
  const Instant now = Clock::now();
  const PortShare only = ports.take({}, kOrigin, now);
  ports.take({}, kOrigin, now).refused(now);
  for (auto _ : state) {
    auto share = ports.take({}, kOrigin, now);
    benchmark::DoNotOptimize(share);
  }
}
BENCHMARK(no_port);

void attempt_that_succeeds(benchmark::State& state) {
  Routes routes({}, 1);
  const Instant now = Clock::now();
  for (auto _ : state) routes.ask(kOrigin, now).succeeded(now);
}
BENCHMARK(attempt_that_succeeds);

}  // namespace
}  // namespace penstock::admission
