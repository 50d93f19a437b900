// What `penstock load` was asked to do, checked: one value that says the whole run.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ip.h"
#include "base/time.h"
#include "http/authority.h"

namespace penstock::load {

enum class Mode : uint8_t {
  kSetup,  // CONNECT, one byte each way, close
  kRtt,    // ping-pong of small messages over open tunnels
  kBulk,   // streams of `bytes`
  kIdle,   // opens tunnels, holds them, checks that each still works
  kMix,    // a blend of the four
};

// How a tunnel is reached.
enum class Way : uint8_t {
  kConnect,  // HTTP CONNECT to a proxy
  kRelay,    // a proxy in plain TCP mode: connects to it and is already through
  kDirect,   // no proxy: what the same work costs without one
};

enum class Direction : uint8_t { kUp, kDown, kBoth };  // kUp: client to origin

// Gaps between the intended starts of an open loop.
enum class Arrivals : uint8_t { kExponential, kFixed };

struct Options {
  Mode mode = Mode::kSetup;
  Way way = Way::kConnect;
  Endpoint proxy;          // unused with kDirect
  http::Authority target;  // what is asked for; with kDirect it must be an address literal
  Direction direction = Direction::kBoth;

  // Open loop: `rate` starts per second, whether or not earlier ones have finished. Closed loop:
  // `connections` at a time, each beginning when its predecessor is done.
  double rate = 0;  // 0: closed loop
  Arrivals arrivals = Arrivals::kExponential;
  int connections = 1;
  // Open loop: no more than so many at a time; a start that finds no room waits, and its wait
  // counts as latency.
  int connections_max = 10'000;

  Duration duration{};                           // zero: until `count` is reached
  uint64_t count = 0;                            // zero: until `duration` is over
  Duration warm_up{};                            // what starts in it is not counted
  Duration patience = std::chrono::seconds(30);  // one tunnel, one ping, or a stream's silence

  uint64_t bytes = 0;  // bulk: per stream and direction; rtt: message size
  bool tls = false;    // a TLS handshake in the tunnel, SNI = target; nothing is verified
  int threads = 1;     // loops, each with its share of rate or connections
  uint64_t seed = 1;   // of gaps and blend
  // Local addresses to spread connections over, so that ephemeral ports do not run out: by
  // default 64 of 127/8 when the next hop is in 127/8.
  std::vector<IpAddress> sources;

  uint64_t errors_max = 0;
  std::string plot;  // SVG file; empty: none
  std::string csv;   // latency distribution; empty: none
  bool json = false;
};

}  // namespace penstock::load
