// What one worker counts. Written by its thread, added up by whoever reads.
#pragma once

#include <array>
#include <memory>
#include <string_view>

#include "base/error.h"
#include "icap/service.h"
#include "identity/identity.h"
#include "observe/counter.h"
#include "observe/histogram.h"
#include "observe/population.h"
#include "session/story.h"

namespace penstock::session {

// The log's words for the protocols in which clients ask.
inline constexpr std::array<std::string_view, 4> kProtocols = {"http/1.1", "h2", "socks5",
                                                               "transparent"};

// What became of an attempt to say who one is.
// kFailed: who asks could not be found out.
enum class LoginResult : uint8_t { kAccepted, kCached, kRejected, kLimited, kBusy, kFailed };
inline constexpr int kLoginResultCount = 6;

// What became of a tunnel whose rule inspects. kHidden: by ECH, which the rule allows. kDistrusted:
// the client broke off when it saw our certificate.
enum class Inspected : uint8_t {
  kRead,
  kOther,  // decrypted, and not HTTP
  kExcepted,
  kHidden,
  kPinned,
  kDistrusted,
  kFailed,  // no certificate could be made
};
inline constexpr std::array<std::string_view, 7> kInspectedWords = {
    "read", "other", "excepted", "hidden", "pinned", "distrusted", "failed"};

// What became of a message that was shown to a service of ICAP. kAnswered: a request, by the
// service itself. kIgnored: it wants no such messages. kBypassed: it failed, and they go on.
enum class Adapted : uint8_t { kUnmodified, kModified, kAnswered, kIgnored, kBypassed, kFailed };
inline constexpr std::array<std::string_view, 6> kAdaptedWords = {
    "unmodified", "modified", "answered", "ignored", "bypassed", "failed"};
// Which messages: in the order of icap_seconds.
inline constexpr std::array<std::string_view, 2> kAdaptedMessages = {"request", "response"};

// A label value for each method would be a client's to choose.
inline constexpr std::array<std::string_view, 6> kMethodWords = {"GET", "HEAD",   "POST",
                                                                 "PUT", "DELETE", "other"};
inline constexpr size_t kMethodClasses = kMethodWords.size();
inline constexpr size_t kStatusClasses = 6;

struct Metrics {
  // The last column counts connections without an error.
  std::array<std::array<observe::Counter, kCodeCount + 1>, kOutcomeCount> connections;
  // In the order of kProtocols; those of which too little was heard are in none.
  std::array<observe::Counter, kProtocols.size()> protocols;
  std::array<std::array<observe::Counter, kLoginResultCount>, identity::kProviderCount> logins;
  observe::Counter accepted;
  observe::Counter accept_errors;  // EMFILE and its like
  observe::Counter shed;           // refused at the door: no seat, no descriptor
  // Connections of HTTP/2, the tunnels that were asked for by them, and resets by who caused them.
  observe::Counter http2_connections, http2_streams, http2_client_resets, http2_proxy_resets,
      http2_goaways;
  observe::Counter http2_open;
  // The same towards origins, of which each carries what several clients ask.
  observe::Counter origin_http2_connections, origin_http2_streams, origin_http2_open;
  observe::Counter would_deny;  // let through by report mode
  observe::Population set_ups;  // from a whole request head until connected or failed
  observe::Population tunnels;  // established and not ended
  std::array<std::array<observe::Counter, 2>, 2> handshakes;  // [whole, resumed][TLS 1.2, TLS 1.3]
  std::array<observe::Counter, 2> parent_handshakes;          // whole, resumed
  observe::Counter parent_handshakes_failed;
  std::array<observe::Counter, 2> tls_tunnels;  // whose records [this process, the kernel] makes
  observe::Histogram tls, head, identify, queue, resolve, dial, hello, server_hello;
  observe::Histogram kernel_connect;  // SYN to SYN-ACK, where the kernel is asked
  // Refreshed by the worker when the metrics are asked for.
  observe::Counter bytes_up_copied, bytes_up_spliced, bytes_down_copied, bytes_down_spliced;
  observe::Counter pipes_in_use, pipes_idle;
  std::array<observe::Counter, kInspectedWords.size()> inspected;
  // Requests that were forwarded, by what was asked and by what the client was told: 1xx to 5xx,
  // and last what it was told nothing.
  std::array<std::array<observe::Counter, kStatusClasses>, kMethodClasses> requests;
  // By the service's place in the configuration, the message and the result.
  std::array<
      std::array<std::array<observe::Counter, kAdaptedWords.size()>, kAdaptedMessages.size()>,
      icap::kServicesMax>
      icap;
  std::array<observe::Histogram, kAdaptedMessages.size()> icap_seconds;
  observe::Counter icap_idle;  // connections between two messages
  observe::Counter origins_idle, origins_reused, clients_idle;
  observe::Counter spares_ready, spares_used, spares_expired, spares_closed, spares_failed;
  observe::Counter dns_lookups, dns_hits, dns_coalesced, dns_stale, dns_failures, dns_entries,
      dns_in_flight;
};

}  // namespace penstock::session
