// What happened in one request, in the order of time: a span for each phase, from one boundary to
// the next. Measured (measure.h) and predicted (model.h) timelines are the same values, so that
// every form of report shows both.
// Pure values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace penstock::probe {

enum class Phase : uint8_t {
  kProxyLookup,   // the proxy's name
  kProxyTcp,      // SYN to the proxy, until it is accepted
  kProxyTls,      // the handshake with an https:// proxy
  kConnectSent,   // an instant: the CONNECT, with the authority, has been handed to the kernel
  kConnect,       // until the head of its answer has arrived
  kProxyResolve,  // within kConnect, by the proxy's word: its look-up of the origin
  kProxyDial,     // within kConnect, by the proxy's word: its TCP connection to the origin
  kEstablished,   // an instant: the 200, the tunnel is there
  kOriginLookup,  // without a proxy: the origin's name
  kOriginTcp,     // without a proxy: SYN to the origin, until it is accepted
  kClientHello,   // until the ClientHello has been sent
  kServerHello,   // until the ServerHello has arrived
  kHandshake,     // until the handshake is finished, for the client
  kEncrypted,     // an instant: from here on nobody between the ends can read what is said
  kRequest,       // until the first byte of the request has been sent
  kFirstByte,     // until the first byte of the response has arrived
  kDownload,      // until its last byte has
};
inline constexpr int kPhaseCount = static_cast<int>(Phase::kDownload) + 1;

struct PhaseFacts {
  std::string_view word;   // in CSV and JSON: "proxy_tcp"
  std::string_view title;  // for people: "TCP to the proxy"
  std::string_view from;   // who speaks: client, proxy, origin
  std::string_view to;     // and to whom; "resolver" is a name server, or the hosts file
  bool instant = false;    // a boundary of no duration
  bool inside = false;     // a part of kConnect, not a phase behind it
};
const PhaseFacts& facts(Phase phase);

// How a request goes to its origin.
struct Way {
  bool proxied = false;
  bool secure_proxy = false;  // TLS to the proxy
  bool tls13 = false;         // the origin's: all behind its ServerHello is encrypted
  friend bool operator==(const Way&, const Way&) = default;
};

// Can the proxy read what passes in a phase? And can somebody who listens at the client's wire not?
bool visible_to_proxy(Phase phase, const Way& way);
bool encrypted(Phase phase, const Way& way);

struct Span {
  Phase phase;
  Duration start{};  // since the beginning of the request
  Duration end{};
  std::string note;
  std::optional<uint32_t> rtt_us;  // TCP_INFO at the end, of the client's connection
  bool failed = false;             // the phase that did not come to its end

  Duration length() const { return end - start; }
};

// Why a request came to no good end.
struct Failure {
  Phase phase;
  std::string what;    // one sentence
  std::string advice;  // one more: what to do; may be empty
};

struct Timeline {
  Way way;
  std::vector<Span> spans;
  std::optional<Failure> failure;  // the spans until then are there

  const Span* find(Phase phase) const;
  Duration total() const;  // until the last of its boundaries
};

// The look-up of a name and the way there have other words with and without a proxy; to compare
// two ways, these are one.
Phase counterpart(Phase phase);

}  // namespace penstock::probe
