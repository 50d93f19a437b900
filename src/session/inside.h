// Inside a tunnel that is inspected: each request is a connection of its own, as every request that
// is forwarded is, and goes where the tunnel goes and nowhere else.
// Thread: the worker's.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/error.h"
#include "bump/origins.h"
#include "dial/idle_origins.h"
#include "http/authority.h"
#include "identity/identity.h"
#include "loop/task.h"
#include "policy/decision.h"
#include "policy/inspection.h"
#include "tls/owned.h"

namespace penstock::session {

class Connection;
class Entrance;

// What the requests inside one tunnel have in common. They share it.
struct Inside {
  // Of an origin's certificate.
  using Fingerprint = std::array<uint8_t, 32>;

  http::Authority target;
  identity::IdentityPtr who;              // opened the tunnel; null: nobody was identified
  uint64_t tunnel = 0;                    // number of its connection, for the log
  const Entrance* entrance = nullptr;     // of what comes by it
  const char* fault = nullptr;            // of the origin's certificate; null: it is good
  bool offers_http2 = false;              // its client does
  bool origin_http2 = false;              // its origin has agreed to it
  std::optional<Fingerprint> mirrored{};  // a faulty one whose faults the client was shown
};

// Requests of HTTP/1.1 inside a tunnel.
const Entrance& http1_inside();

Inside::Fingerprint fingerprint_of(const X509* certificate);

// By what the origin of `c` must have been found good where its connection has been used before.
dial::IdleOrigins::Trust trust_of(const Connection& c);

// Whether its rule lets the request pass; nothing: it does.
std::optional<Error> judge_request(Connection& c);

// What the origin has shown of itself.
struct OriginShown {
  tls::OwnedCertificate certificate;
  const char* fault = nullptr;  // in OpenSSL's words; null: it is good
  long fault_number = 0;        // X509_V_...
  std::string alpn;             // what it has agreed on
};

// What is offered of it: HTTP/2, where that will do, and HTTP/1.1.
bump::Protocols protocols_of_http(bool http2);

// The TLS handshake with the origin, offering those protocols, the best first. Behind it c.origin
// speaks TLS. Faults of its certificate are in the answer, for the caller to judge.
loop::Task<Result<OriginShown>> secure_origin(Connection& c, bump::Protocols offered);

// A place by a connection of HTTP/2 to the origin that others use, too. False: there is none, and
// one is to be dialled by `routes`, in HTTP/1.1 or in whatever the origin agrees to.
loop::Task<Result<bool>> join_origin(Connection& c, std::span<const policy::Route> routes);
// That has been done, or has failed: whoever waits for it goes on.
void end_joining(Connection& c, const std::optional<Error>& failure);

// The same for a request inside: only to an origin that is good, or whose very faults the client
// has been shown. Where it agrees to HTTP/2, c.origin is one stream of its connection.
loop::Task<std::optional<Error>> secure_origin_inside(Connection& c);

}  // namespace penstock::session
