// The frames of one connection of HTTP/2, between its session and its socket.
// Thread: the worker's.   Lifetime: shorter than what it is made of.
// Cost: up to 64 KiB of frames while the other side does not take them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "h2/link.h"
#include "loop/loop.h"
#include "loop/stream.h"
#include "tunnel/relay.h"

namespace penstock::session {

class Frames {
 public:
  Frames(loop::Stream& stream, h2::Link& link, tunnel::Relay& relay)
      : stream_(stream), link_(link), relay_(relay) {}

  // A turn's share of either. Nothing: it goes on. Else the connection has: an errno, or 0 for its
  // end.
  std::optional<int> hear(Instant now);
  std::optional<int> say();
  void take_in(std::span<uint8_t> bytes, Instant now);

  // The share of this turn was not enough; once.
  bool take_more();
  bool all_said() const { return unsent_.empty(); }
  // What is to be waited for.
  uint8_t interest() const;

 private:
  bool may_hear() const;

  loop::Stream& stream_;
  h2::Link& link_;
  tunnel::Relay& relay_;
  std::vector<uint8_t> unsent_;
  size_t unsent_at_ = 0;
  bool more_ = false;
};

}  // namespace penstock::session
