// What a load run found: latencies, bytes, and every error by kind. One per thread while it runs,
// merged at the end.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/time.h"
#include "load/histogram.h"

namespace penstock::load {

struct Results {
  // Each from the *intended* start of the tunnel (open loop) or the actual one (closed loop).
  Histogram connect;     // until the proxy's 200 (kConnect), or until connected (kRelay, kDirect)
  Histogram tls;         // the TLS handshake alone
  Histogram setup;       // until the first byte came back through the tunnel
  Histogram round_trip;  // rtt: each ping; open loop: from its intended start
  Histogram stream;      // bulk: a stream's whole transfer

  uint64_t tunnels = 0;   // opened
  uint64_t finished = 0;  // what was intended and came out right: the mode's unit of work
  uint64_t late = 0;      // open loop: starts that had to wait for room
  uint64_t bytes_up = 0;  // payload in the tunnels, each byte checked at its end
  uint64_t bytes_down = 0;
  int open_most = 0;  // tunnels open at one time

  // "refused by the proxy: 403 http_request_denied", "reset by the peer", "timed out", "wrong
  // bytes": short, of bounded number.
  std::map<std::string, uint64_t> errors;

  Duration elapsed{};  // of the counted part
  Duration cpu{};      // of this process, user and system; whoever started the run fills it in

  uint64_t error_count() const;
  // Adds what another thread found at the same time: counts add up, and so does open_most (the
  // most that can have been open at one time); the longer `elapsed` stays.
  void merge(const Results& other);
};

}  // namespace penstock::load
