// setup: one tunnel, one byte each way, close.
#include "load/modes.h"
#include "load/pace.h"

namespace penstock::load {

using loop::Task;
using loop::Timer;

Task<Failure> echo(Lane& lane, Tunnel& tunnel, uint64_t offset, uint64_t size, Timer& timer) {
  while (size > 0) {
    const auto piece = pattern().at(offset, std::min<uint64_t>(size, Pattern::kPiece));
    if (Failure failure = co_await send_all(lane.loop(), tunnel.wire(), piece, timer)) {
      co_return failure;
    }
    lane.moved_up(piece.size());
    if (Failure failure =
            co_await expect_bytes(lane.loop(), tunnel.wire(), piece, lane.scratch(), timer)) {
      co_return failure;
    }
    lane.moved_down(piece.size());
    offset += piece.size();
    size -= piece.size();
  }
  co_return std::nullopt;
}

Task<Failure> echo_first_byte(Lane& lane, Tunnel& tunnel, Results& results, Instant from,
                              Timer& timer) {
  if (Failure failure = co_await echo(lane, tunnel, 0, 1, timer)) co_return failure;
  results.setup.record(Clock::now() - from);
  co_return std::nullopt;
}

Task<Failure> close_tunnel(Lane& lane, Tunnel& tunnel, Timer& timer) {
  if (tunnel.wire().secure()) {
    if (Failure failure = co_await end_writing(lane.loop(), tunnel.wire(), timer)) {
      co_return failure;
    }
    if (Failure failure = co_await expect_end(lane.loop(), tunnel.wire(), timer)) co_return failure;
  }
  tunnel.wire().stream().close();
  co_return std::nullopt;
}

namespace {

Task<Failure> set_up(Lane& lane, Results& results, Instant from) {
  Timer timer(lane.loop());
  timer.arm(lane.patience_ends());
  auto tunnel = co_await open_tunnel(lane, results, from, timer);
  if (!tunnel) co_return tunnel.error();
  if (Failure failure = co_await echo_first_byte(lane, *tunnel, results, from, timer)) {
    co_return failure;
  }
  co_return co_await close_tunnel(lane, *tunnel, timer);
}

Task<bool> one_tunnel(Lane& lane, Instant from) {
  Results& results = lane.results_for(from);
  if (!succeeded(results, co_await set_up(lane, results, from))) co_return false;
  ++results.finished;
  co_return true;
}

}  // namespace

Task<> run_setup(Lane& lane) {
  return pace(lane, one_tunnel, AtTheEnd::kFinish);
}

}  // namespace penstock::load
