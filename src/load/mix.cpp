// mix: each tunnel does what the blend draws for it.
#include <algorithm>

#include "load/blend.h"
#include "load/modes.h"
#include "load/pace.h"

namespace penstock::load {
namespace {

using loop::Task;
using loop::Timer;

Task<Failure> converse(Lane& lane, Tunnel& tunnel, const Act& act, Results& results, Timer& timer) {
  uint64_t offset = 1;  // the pattern's first byte set up the tunnel
  for (int i = 0; i < act.round_trips; ++i) {
    const uint64_t size = i == 0 ? kHelloBytes : lane.blend().draw_message();
    const Instant sent = Clock::now();
    timer.arm(lane.patience_ends());
    if (Failure failure = co_await echo(lane, tunnel, offset, size, timer)) co_return failure;
    results.round_trip.record(Clock::now() - sent);
    offset += size;
  }
  co_return std::nullopt;
}

Task<Failure> hold(Lane& lane, Tunnel& tunnel, const Act& act, Timer& timer) {
  co_await lane.wait_until(std::min(lane.loop().now() + act.hold, lane.ends()));
  timer.arm(lane.patience_ends());
  co_return co_await echo(lane, tunnel, 1, 1, timer);
}

Task<Failure> play(Lane& lane, Results& results, Instant from) {
  const Act act = lane.blend().draw();
  Timer timer(lane.loop());
  timer.arm(lane.patience_ends());
  auto tunnel = co_await open_tunnel(lane, results, from, timer);
  if (!tunnel) co_return tunnel.error();
  if (act.kind == ActKind::kDownload) {
    const StreamOrder order{Direction::kDown, act.bytes};
    co_return co_await carry_stream(lane, *tunnel, order, results, from, timer);
  }
  Failure failure = co_await echo_first_byte(lane, *tunnel, results, from, timer);
  if (failure) co_return failure;
  if (act.kind == ActKind::kConversation) {
    failure = co_await converse(lane, *tunnel, act, results, timer);
  } else if (act.kind == ActKind::kHold) {
    failure = co_await hold(lane, *tunnel, act, timer);
  }
  if (failure) co_return failure;
  co_return co_await close_tunnel(lane, *tunnel, timer);
}

Task<bool> one_act(Lane& lane, Instant from) {
  Results& results = lane.results_for(from);
  if (!succeeded(results, co_await play(lane, results, from))) co_return false;
  ++results.finished;
  co_return true;
}

}  // namespace

Task<> run_mix(Lane& lane) {
  return pace(lane, one_act, AtTheEnd::kFinish);
}

}  // namespace penstock::load
