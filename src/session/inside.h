// Inside a tunnel that is inspected: each request is a connection of its own, as every request that
// is forwarded is, and goes where the tunnel goes and nowhere else.
// Thread: the worker's.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "dial/idle_origins.h"
#include "http/authority.h"
#include "identity/identity.h"
#include "loop/task.h"
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

// The TLS handshake with the origin, offering the protocol `alpn`. Behind it c.origin speaks TLS.
// Faults of its certificate are in the answer, for the caller to judge.
loop::Task<Result<OriginShown>> secure_origin(Connection& c, std::string_view alpn);

// The same for a request inside: only to an origin that is good, or whose very faults the client
// has been shown.
loop::Task<std::optional<Error>> secure_origin_inside(Connection& c);

}  // namespace penstock::session
