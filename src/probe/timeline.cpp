#include "probe/timeline.h"

#include <algorithm>
#include <array>

namespace penstock::probe {
namespace {

constexpr std::array<PhaseFacts, kPhaseCount> kFacts = {{
    {.word = "proxy_lookup", .title = "proxy name", .from = "client", .to = "resolver"},
    {.word = "proxy_tcp", .title = "TCP to the proxy", .from = "client", .to = "proxy"},
    {.word = "proxy_tls", .title = "TLS to the proxy", .from = "client", .to = "proxy"},
    {.word = "connect_sent", .title = "CONNECT", .from = "client", .to = "proxy", .instant = true},
    {.word = "connect", .title = "wait for the 200", .from = "proxy", .to = "client"},
    {.word = "proxy_resolve",
     .title = "proxy resolves",
     .from = "proxy",
     .to = "resolver",
     .inside = true},
    {.word = "proxy_dial", .title = "proxy dials", .from = "proxy", .to = "origin", .inside = true},
    {.word = "tunnel_established",
     .title = "tunnel established",
     .from = "proxy",
     .to = "client",
     .instant = true},
    {.word = "origin_lookup", .title = "origin name", .from = "client", .to = "resolver"},
    {.word = "origin_tcp", .title = "TCP to the origin", .from = "client", .to = "origin"},
    {.word = "client_hello", .title = "ClientHello sent", .from = "client", .to = "origin"},
    {.word = "server_hello", .title = "wait for ServerHello", .from = "origin", .to = "client"},
    {.word = "handshake", .title = "handshake finished", .from = "client", .to = "origin"},
    {.word = "encrypted",
     .title = "encrypted from here",
     .from = "client",
     .to = "origin",
     .instant = true},
    {.word = "request", .title = "request sent", .from = "client", .to = "origin"},
    {.word = "first_byte", .title = "wait for first byte", .from = "origin", .to = "client"},
    {.word = "download", .title = "rest of the response", .from = "origin", .to = "client"},
}};

}  // namespace

const PhaseFacts& facts(Phase phase) {
  return kFacts[static_cast<size_t>(phase)];
}

bool visible_to_proxy(Phase phase, const Way& way) {
  if (!way.proxied || phase == Phase::kProxyLookup) return false;
  return phase == Phase::kHandshake ? !way.tls13 : phase < Phase::kHandshake;
}

bool encrypted(Phase phase, const Way& way) {
  switch (phase) {
    case Phase::kProxyLookup:
    case Phase::kProxyTcp:
    case Phase::kProxyTls:
    case Phase::kProxyResolve:
    case Phase::kProxyDial:
    case Phase::kOriginLookup:
    case Phase::kOriginTcp: return false;
    case Phase::kConnectSent:
    case Phase::kConnect:
    case Phase::kEstablished:
    case Phase::kClientHello:
    case Phase::kServerHello: return way.secure_proxy;
    case Phase::kHandshake: return way.tls13 || way.secure_proxy;
    case Phase::kEncrypted:
    case Phase::kRequest:
    case Phase::kFirstByte:
    case Phase::kDownload: return true;
  }
  return false;
}

const Span* Timeline::find(Phase phase) const {
  const auto found = std::ranges::find(spans, phase, &Span::phase);
  return found == spans.end() ? nullptr : &*found;
}

Duration Timeline::total() const {
  Duration out{};
  for (const Span& span : spans) out = std::max(out, span.end);
  return out;
}

Phase counterpart(Phase phase) {
  if (phase == Phase::kOriginLookup) return Phase::kProxyLookup;
  if (phase == Phase::kOriginTcp) return Phase::kProxyTcp;
  return phase;
}

}  // namespace penstock::probe
