// bulk: streams of many bytes, up, down or both ways at once.
#include <fmt/format.h>

#include <algorithm>

#include "load/modes.h"
#include "load/pace.h"

namespace penstock::load {
namespace {

using loop::kReadable;
using loop::kWritable;
using loop::Moved;
using loop::Task;
using loop::Timer;
using loop::Wait;

constexpr uint64_t kBytesByDefault = uint64_t{64} << 20;

// One stream's way: what has been sent and received, a piece at a time, without ever waiting.
class Carrier {
 public:
  Carrier(Lane& lane, Tunnel& tunnel, uint64_t bytes)
      : lane_(lane), wire_(tunnel.wire()), bytes_(bytes) {}

  bool all_sent() const { return sent_ == bytes_; }
  bool all_received() const { return received_ == bytes_; }
  uint64_t received() const { return received_; }

  Moved send_piece() {
    const size_t size = std::min<uint64_t>(bytes_ - sent_, Pattern::kPiece);
    const Moved moved = wire_.write(pattern().at(sent_, size));
    if (!moved.bytes()) return moved;
    sent_ += static_cast<uint64_t>(moved.count);
    lane_.moved_up(static_cast<uint64_t>(moved.count));
    return moved;
  }

  // `failure` is set when the bytes are not the right ones, or are too many or too few.
  Moved receive_piece(Failure& failure) {
    const auto scratch = lane_.scratch();
    const Moved moved = wire_.read(scratch);
    if (moved.end() && !all_received()) failure = kClosedByPeer;
    if (!moved.bytes()) return moved;
    const auto count = static_cast<size_t>(moved.count);
    if (count > bytes_ - received_ || pattern().first_wrong(received_, scratch.first(count))) {
      failure = kWrongBytes;
      return moved;
    }
    received_ += count;
    lane_.moved_down(count);
    return moved;
  }

 private:
  Lane& lane_;
  Wire& wire_;
  const uint64_t bytes_;
  uint64_t sent_ = 0;
  uint64_t received_ = 0;
};

Task<Failure> send_stream(Lane& lane, Tunnel& tunnel, uint64_t bytes, Timer& timer) {
  Carrier carrier(lane, tunnel, bytes);
  for (int pieces = 0; !carrier.all_sent();) {
    const Moved moved = carrier.send_piece();
    if (moved.failed()) co_return failure_of(moved.error());
    if (moved.would_block()) {
      if (timer.expired()) co_return kTimedOut;
      co_await Wait(lane.loop())
          .on(tunnel.wire().source(), tunnel.wire().needs(kWritable))
          .until(timer);
      continue;
    }
    timer.arm(lane.patience_ends());
    if (++pieces % Pattern::kPiecesInARow == 0) co_await Wait(lane.loop()).soon();
  }
  co_return std::nullopt;
}

Task<Failure> upload(Lane& lane, Tunnel& tunnel, uint64_t bytes, Timer& timer) {
  Wire& wire = tunnel.wire();
  if (Failure failure = co_await send_all(lane.loop(), wire, bytes_of("K"), timer)) {
    co_return failure;
  }
  if (Failure failure = co_await send_stream(lane, tunnel, bytes, timer)) co_return failure;
  if (Failure failure = co_await end_writing(lane.loop(), wire, timer)) co_return failure;
  const std::string verdict = fmt::format("{} bytes ok\n", bytes);
  if (Failure failure =
          co_await expect_bytes(lane.loop(), wire, bytes_of(verdict), lane.scratch(), timer)) {
    co_return failure;
  }
  co_return co_await expect_end(lane.loop(), wire, timer);
}

Task<Failure> download(Lane& lane, Tunnel& tunnel, uint64_t bytes, Results& results, Instant from,
                       Timer& timer) {
  const std::string order = fmt::format("S{}\n", bytes);
  if (Failure failure = co_await send_all(lane.loop(), tunnel.wire(), bytes_of(order), timer)) {
    co_return failure;
  }
  Carrier carrier(lane, tunnel, bytes);
  for (int pieces = 0;;) {
    const bool first = carrier.received() == 0;
    Failure failure;
    const Moved moved = carrier.receive_piece(failure);
    if (failure) co_return failure;
    if (moved.end()) break;
    if (moved.failed()) co_return failure_of(moved.error());
    if (moved.would_block()) {
      if (timer.expired()) co_return kTimedOut;
      co_await Wait(lane.loop())
          .on(tunnel.wire().source(), tunnel.wire().needs(kReadable))
          .until(timer);
      continue;
    }
    if (first) results.setup.record(Clock::now() - from);
    timer.arm(lane.patience_ends());
    if (++pieces % Pattern::kPiecesInARow == 0) co_await Wait(lane.loop()).soon();
  }
  // The origin has ended; so do we, and TLS wants that said.
  co_return co_await end_writing(lane.loop(), tunnel.wire(), timer);
}

Task<Failure> both_ways(Lane& lane, Tunnel& tunnel, uint64_t bytes, Timer& timer) {
  Wire& wire = tunnel.wire();
  Carrier carrier(lane, tunnel, bytes);
  bool ended = false;
  for (int pieces = 0;;) {
    bool can_send = false;
    uint8_t waits_for = 0;
    if (!carrier.all_sent()) {
      const Moved moved = carrier.send_piece();
      if (moved.failed()) co_return failure_of(moved.error());
      can_send = moved.bytes();
      if (!can_send) waits_for = wire.needs(kWritable);
    } else if (!ended) {
      if (Failure failure = co_await end_writing(lane.loop(), wire, timer)) co_return failure;
      ended = true;
    }
    Failure failure;
    const Moved moved = carrier.receive_piece(failure);
    if (failure) co_return failure;
    if (moved.end()) break;
    if (moved.failed()) co_return failure_of(moved.error());
    if (moved.would_block()) waits_for |= wire.needs(kReadable);
    if (moved.would_block() && !can_send) {
      if (timer.expired()) co_return kTimedOut;
      co_await Wait(lane.loop()).on(wire.source(), waits_for).until(timer);
      continue;
    }
    timer.arm(lane.patience_ends());
    if (++pieces % Pattern::kPiecesInARow == 0) co_await Wait(lane.loop()).soon();
  }
  co_return std::nullopt;
}

Task<Failure> carry(Lane& lane, Results& results, Instant from) {
  Timer timer(lane.loop());
  timer.arm(lane.patience_ends());
  auto tunnel = co_await open_tunnel(lane, results, from, timer);
  if (!tunnel) co_return tunnel.error();
  const uint64_t bytes = lane.options().bytes > 0 ? lane.options().bytes : kBytesByDefault;
  const StreamOrder order{lane.options().direction, bytes};
  co_return co_await carry_stream(lane, *tunnel, order, results, from, timer);
}

Task<bool> one_stream(Lane& lane, Instant from) {
  Results& results = lane.results_for(from);
  if (!succeeded(results, co_await carry(lane, results, from))) co_return false;
  ++results.finished;
  co_return true;
}

}  // namespace

Task<Failure> carry_stream(Lane& lane, Tunnel& tunnel, StreamOrder order, Results& results,
                           Instant from, Timer& timer) {
  Failure failure;
  switch (order.direction) {
    case Direction::kUp: failure = co_await upload(lane, tunnel, order.bytes, timer); break;
    case Direction::kDown:
      failure = co_await download(lane, tunnel, order.bytes, results, from, timer);
      break;
    case Direction::kBoth: failure = co_await both_ways(lane, tunnel, order.bytes, timer); break;
  }
  if (!failure) results.stream.record(Clock::now() - from);
  co_return failure;
}

Task<> run_bulk(Lane& lane) {
  return pace(lane, one_stream, AtTheEnd::kCut);
}

}  // namespace penstock::load
