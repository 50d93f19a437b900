#include "probe/advice.h"

#include <fmt/format.h>

#include "config/scalars.h"

namespace penstock::probe {
namespace {

using Kind = LinkFault::Kind;

// Who should have answered in a phase.
std::string other_end(Phase phase, const Ends& ends) {
  if (phase <= Phase::kEstablished) return "the proxy " + ends.proxy;
  return (ends.proxied ? "the origin " + ends.origin + ", through the tunnel"
                       : "the origin " + ends.origin);
}

std::string waited_for(Phase phase) {
  switch (phase) {
    case Phase::kProxyTcp:
    case Phase::kOriginTcp: return "no answer to the SYN";
    case Phase::kProxyTls: return "the TLS handshake was not finished";
    case Phase::kConnect: return "no answer to the CONNECT";
    case Phase::kServerHello: return "no answer to the ClientHello";
    case Phase::kHandshake: return "a ServerHello, and then the handshake was not finished";
    case Phase::kFirstByte: return "no answer to the request";
    case Phase::kDownload: return "the response did not end";
    default: return "not a byte was taken";
  }
}

std::string what_happened(Phase phase, const LinkFault& fault, const Ends& ends) {
  const std::string who = other_end(phase, ends);
  switch (fault.kind) {
    case Kind::kTimedOut:
      return fmt::format("timed out: {} within {} from {}.", waited_for(phase),
                         config::duration_text(ends.patience), who);
    default: return fmt::format("{}: {}.", fault.words, who);
  }
}

std::string tcp_advice(Kind kind, bool proxy) {
  if (kind == Kind::kRefused) {
    return proxy ? "Is the proxy running, and is that its port?"
                 : "Does a server listen there, and is there a way without a proxy?";
  }
  return proxy ? "The proxy is down, or a firewall drops what goes there: check address and port."
               : "The origin is down, or a firewall lets nothing out without a proxy: give --proxy "
                 "or set HTTPS_PROXY.";
}

std::string hello_advice(Kind kind, bool proxied) {
  switch (kind) {
    case Kind::kTimedOut:
      return proxied ? "The tunnel is there and the origin is silent: try --compare direct; if "
                       "that works, something on the proxy's side drops the ClientHello."
                     : "The port is open and nobody speaks TLS there, or a firewall drops the "
                       "ClientHello.";
    case Kind::kEnded:
    case Kind::kReset:
      return proxied ? "Whoever judges the server name (SNI) cuts a tunnel here: look at the "
                       "proxy's log; if it has no refusal, the origin closed."
                     : "The origin, or a firewall that reads the server name (SNI), cut the "
                       "connection.";
    case Kind::kTls:
      return "Is the port one for TLS? An alert about the version or the handshake means that both "
             "sides have no version or cipher in common; one about access is a refusal.";
    default: return "";
  }
}

std::string advice(Phase phase, Kind kind, const Ends& ends) {
  switch (phase) {
    case Phase::kProxyTcp: return tcp_advice(kind, true);
    case Phase::kOriginTcp: return tcp_advice(kind, false);
    case Phase::kProxyTls:
      return kind == Kind::kTls ? "The proxy may speak plain HTTP on that port: write http:// in "
                                  "place of https://."
                                : "The port may be one for plain HTTP, which waits for a request: "
                                  "try http:// in place of https://.";
    case Phase::kConnectSent:
    case Phase::kConnect:
      return kind == Kind::kTimedOut
                 ? "The proxy took the connection: it waits for its DNS or for the origin, or "
                   "expects TLS (https://). Its log says which."
                 : "That is no HTTP proxy, one that expects TLS (https://), or one that does not "
                   "serve this client.";
    case Phase::kClientHello:
    case Phase::kServerHello:
    case Phase::kHandshake: return hello_advice(kind, ends.proxied);
    case Phase::kRequest:
    case Phase::kFirstByte:
      return kind == Kind::kTimedOut
                 ? "The tunnel and TLS are fine: the origin itself is slow, or waits for something."
                 : "The tunnel and TLS are fine: the origin ended before it answered, perhaps "
                   "since it wants a client certificate.";
    case Phase::kDownload:
      return kind == Kind::kTimedOut ? "A large response takes longer: give more --timeout."
                                     : "The response broke off: try again, and without the proxy.";
    default: return "";
  }
}

}  // namespace

Failure failure_of(Phase phase, const LinkFault& fault, const Ends& ends) {
  return {.phase = phase,
          .what = what_happened(phase, fault, ends),
          .advice = advice(phase, fault.kind, ends)};
}

Failure failure_of(Phase phase, const Error& error, const std::string& name, const Ends& ends) {
  const bool proxy = phase == Phase::kProxyLookup;
  Failure out{.phase = phase, .what = {}, .advice = {}};
  switch (error.code) {
    case Code::kNoSuchName:
      out.what = fmt::format("no such name: {}.", name);
      out.advice = proxy ? "Check the spelling of the proxy's URL."
                         : "Check the spelling; inside a closed network only the proxy can look "
                           "names up: give --proxy or set HTTPS_PROXY.";
      break;
    case Code::kNoAddress:
      out.what = fmt::format("the name has no address: {}.", name);
      out.advice = "Check the spelling: a name for mail only has none.";
      break;
    case Code::kDnsTimeout:
      out.what = fmt::format("timed out: no name server answered for {} within {}.", name,
                             config::duration_text(ends.patience));
      out.advice = "Look at /etc/resolv.conf and at the way to the servers in it.";
      break;
    default:
      out.what = fmt::format("the name servers failed to answer for {}.", name);
      out.advice = "Look at /etc/resolv.conf and at the servers in it.";
  }
  return out;
}

}  // namespace penstock::probe
