// Asking another proxy for the tunnel: one CONNECT and one answer, in TLS or not, or the same by
// SOCKS5.
// Thread: the worker's.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "http/proxy_url.h"
#include "loop/task.h"

namespace penstock::session {

class Connection;

// What is known of the parent that a connection goes through.
struct ParentNotes {
  std::string authority;
  std::string proxy_status;          // what it said of a refusal, fit to be passed on; may be empty
  std::optional<int> retry_after;    // seconds that it asked to wait
  std::vector<uint8_t> spoke_first;  // what came right behind its yes: the tunnel's first bytes
  const char* tls = nullptr;         // "TLSv1.3"; null: it is not spoken to in TLS
  const char* reason = nullptr;      // why TLS with it failed, in OpenSSL's words
  // Whether it can be used at all, whatever the destination; empty: it has not shown that yet.
  std::optional<bool> fit;
};

// c.origin is connected to `parent`: says who the client is where the rule announces, shakes hands
// where TLS is spoken, asks it for c.story.target and reads its answer, all by `deadline`.
loop::Task<Result<void>> ask_parent(Connection& c, const http::ProxyUrl& parent, Instant deadline);

// Whether another parent may do what this one could not: it never came to an answer, or it has no
// room. Its no to the destination stands.
bool another_may_do(Code failure);

}  // namespace penstock::session
