// What a lane does, a coroutine per mode (options.h says what each is), and what several of them
// do with a tunnel. Each mode returns when its run is over, and leaves no coroutine behind.
// Thread: the lane's.
#pragma once

#include "load/dialer.h"
#include "load/lane.h"
#include "loop/task.h"

namespace penstock::load {

loop::Task<> run_setup(Lane& lane);
loop::Task<> run_rtt(Lane& lane);
loop::Task<> run_bulk(Lane& lane);
loop::Task<> run_idle(Lane& lane);
loop::Task<> run_mix(Lane& lane);

// Counts `failure`, if there is one, and says whether there was none.
inline bool succeeded(Results& results, const Failure& failure) {
  if (failure) Lane::count_error(results, *failure);
  return !failure;
}

// Sends the first byte of the pattern and gets it back: the tunnel is set up.
loop::Task<Failure> echo_first_byte(Lane& lane, Tunnel& tunnel, Results& results, Instant from,
                                    loop::Timer& timer);
// Ends a tunnel whose bytes are all there. With TLS both sides say so: one who just closed would
// answer the other's close_notify with a reset.
loop::Task<Failure> close_tunnel(Lane& lane, Tunnel& tunnel, loop::Timer& timer);

// Sends `size` bytes of the pattern from `offset` on and gets them back.
loop::Task<Failure> echo(Lane& lane, Tunnel& tunnel, uint64_t offset, uint64_t size,
                         loop::Timer& timer);

// One stream over a new tunnel (origin.h has the protocols); each end checks each byte.
struct StreamOrder {
  Direction direction;
  uint64_t bytes;
};
loop::Task<Failure> carry_stream(Lane& lane, Tunnel& tunnel, StreamOrder order, Results& results,
                                 Instant from, loop::Timer& timer);

// Opens `count` tunnels, no more than some hundreds at a time: listeners have a backlog. Those that
// cannot be opened are counted as errors and missing in what is returned.
loop::Task<std::vector<Tunnel>> open_tunnels(Lane& lane, int count);

}  // namespace penstock::load
