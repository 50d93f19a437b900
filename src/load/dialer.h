// Opens tunnels: connects from one of many source addresses, asks the proxy, reads its answer, and
// does the TLS handshake inside.
// Thread: the lane's.
#pragma once

#include <expected>
#include <string>
#include <utility>
#include <vector>

#include "load/lane.h"
#include "load/wire.h"
#include "loop/task.h"

namespace penstock::load {

// An open tunnel. The lane counts how many there are at one time.
class Tunnel {
 public:
  Tunnel(Lane& lane, Wire wire) : lane_(&lane), wire_(std::move(wire)) { lane.tunnel_opened(); }
  Tunnel(Tunnel&& other) noexcept
      : lane_(std::exchange(other.lane_, nullptr)), wire_(std::move(other.wire_)) {}
  Tunnel& operator=(Tunnel&&) = delete;
  ~Tunnel() {
    if (lane_) lane_->tunnel_closed();
  }

  Wire& wire() { return wire_; }

 private:
  Lane* lane_;
  Wire wire_;
};

// Latencies count from `from` and go to `results`; `timer` is the caller's patience. The error is
// a kind as Results::errors counts it.
loop::Task<std::expected<Tunnel, std::string>> open_tunnel(Lane& lane, Results& results,
                                                           Instant from, loop::Timer& timer);

// `count` addresses of 127/8 to connect to `next_hop` from; empty when that is no address of 127/8.
std::vector<IpAddress> loopback_sources(const Endpoint& next_hop, int count);

}  // namespace penstock::load
