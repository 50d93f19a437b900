// One request as a browser makes it, from the look-up of the proxy to the last byte, with the clock
// read at each boundary. probe/measure.cpp has the steps in the order of time.
// Thread: one; blocks.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/ip.h"
#include "probe/options.h"
#include "probe/refusal.h"
#include "probe/timeline.h"
#include "probe/tls_link.h"

namespace penstock::probe {

struct Measured {
  Timeline timeline;
  std::optional<Endpoint> peer;       // who was connected to: the proxy, or the origin
  std::optional<TlsFacts> proxy_tls;  // of an https:// proxy
  std::optional<TlsFacts> tls;        // of the origin, or of who answers for it
  std::optional<Refusal> refusal;     // the proxy opened no tunnel
  int status = 0;                     // of the origin's answer; 0: none
  uint64_t bytes = 0;                 // of its body

  bool good() const { return !timeline.failure; }
};

// Through `proxy`, or directly if there is none. `context` is that of client_context(options.ca).
Measured measure(const Options& options, const std::optional<http::ProxyUrl>& proxy,
                 SSL_CTX* context);

}  // namespace penstock::probe
