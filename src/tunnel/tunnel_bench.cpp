// What the relay costs in CPU time, peers included: compare runs, not machines.
#include <benchmark/benchmark.h>
#include <malloc.h>

#include <memory>
#include <string>
#include <vector>

#include "tunnel/testing.h"

namespace penstock::tunnel {
namespace {

using testing::Tunnel;
using testing::Worker;

void round_trip(benchmark::State& state) {
  Worker worker;
  Tunnel tunnel(worker, 1);
  tunnel.begin();
  tunnel.settle(10);
  const std::string message(static_cast<size_t>(state.range(0)), 'm');
  const auto pass = [&](testing::Peer& from, testing::Peer& to) {
    from.write(message);
    for (size_t got = 0; got < message.size(); got += to.read_all().size()) {
      worker.loop.turn(false);
    }
  };
  for (auto _ : state) {
    pass(tunnel.client, tunnel.origin);
    pass(tunnel.origin, tunnel.client);
  }
}
BENCHMARK(round_trip)->Arg(64)->Arg(4096);

// One iteration moves 64 MiB; `no_pipe` takes all descriptors away, so that the relay copies.
void bulk(benchmark::State& state) {
  constexpr size_t kPerIteration = 64 << 20;
  Worker worker;
  Tunnel tunnel(worker, 2);
  tunnel.client.end_after_sending = tunnel.origin.end_after_sending = false;
  tunnel.begin();
  tunnel.settle(10);
  const std::vector<char> block(static_cast<size_t>(state.range(0)));
  std::vector<char> sink(1 << 20);
  for (auto _ : state) {
    for (size_t sent = 0, received = 0; received < kPerIteration;) {
      ssize_t n = sent < kPerIteration
                      ? ::send(tunnel.client.fd(), block.data(), block.size(), MSG_NOSIGNAL)
                      : 0;
      if (n > 0) sent += static_cast<size_t>(n);
      worker.loop.turn(false);
      while ((n = ::recv(tunnel.origin.fd(), sink.data(), sink.size(), MSG_TRUNC)) > 0) {
        received += static_cast<size_t>(n);
      }
    }
  }
  state.SetBytesProcessed(static_cast<int64_t>(tunnel.up_bytes.total()));
  state.counters["spliced"] =
      static_cast<double>(tunnel.up_bytes.spliced) / static_cast<double>(tunnel.up_bytes.total());
}
BENCHMARK(bulk)->Arg(16 << 10)->Arg(64 << 10)->Arg(512 << 10)->Unit(benchmark::kMillisecond);

// User memory of a tunnel that waits: both flows, both streams, one coroutine frame and its owner.
void idle_tunnel(benchmark::State& state) {
  constexpr size_t kTunnels = 200;
  size_t bytes = 0;
  for (auto _ : state) {
    Worker worker;
    std::vector<std::unique_ptr<Tunnel>> tunnels;
    for (size_t i = 0; i < kTunnels; ++i) {
      tunnels.push_back(std::make_unique<Tunnel>(worker, i));
      tunnels.back()->client.end_after_sending = tunnels.back()->origin.end_after_sending = false;
    }
    const size_t before = ::mallinfo2().uordblks;
    for (auto& tunnel : tunnels) tunnel->begin();
    for (auto& tunnel : tunnels) tunnel->step();
    bytes = ::mallinfo2().uordblks - before;
  }
  state.counters["frame_bytes"] = static_cast<double>(bytes) / kTunnels;
  state.counters["flow_bytes"] = 2.0 * sizeof(Flow);
}
BENCHMARK(idle_tunnel)->Iterations(1);

}  // namespace
}  // namespace penstock::tunnel
