// The timeline of a request, predicted from round trips alone: what physics leaves when every
// machine on the way is infinitely fast. docs/latency.md derives each line.
// Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "probe/timeline.h"

namespace penstock::probe {

// The handshake with the origin.
enum class Handshake : uint8_t {
  kTls13,    // one round trip
  kTls12,    // two
  kResumed,  // TLS 1.3 with a ticket: one, and no certificate
  kZeroRtt,  // TLS 1.3 with early data: the request goes out with the ClientHello
};

// What is known of the network. Empty: not known, and taken from a measurement if there is one.
struct Assumptions {
  std::optional<Duration> client_proxy;  // round trips
  std::optional<Duration> proxy_origin;
  std::optional<Duration> client_origin;  // direct; empty: the sum of the two
  std::optional<Duration> resolve;        // one look-up of the origin's name, by whoever does it
  std::optional<Handshake> handshake;
  bool secure_proxy = false;  // TLS 1.3 to the proxy
  bool spares = false;        // the proxy keeps connections to the origin ready
};

// As above, with nothing left open.
struct Network {
  Duration client_proxy{};
  Duration proxy_origin{};
  Duration client_origin{};
  Duration resolve{};
  Handshake handshake = Handshake::kTls13;
  bool spares = false;
};

Timeline predict_direct(const Network& network);
Timeline predict_proxied(const Network& network, bool secure_proxy);

// What of the network was measured, from the fastest of `runs`, wherever `given` is silent.
// `sources` says in words where each value comes from, for people.
struct Fitted {
  Network network;
  std::string sources;
};
Fitted fit(const Assumptions& given, const std::vector<const Timeline*>& measured);

}  // namespace penstock::probe
