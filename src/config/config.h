// The configuration: everything that can be set, as one immutable value. A running proxy holds
// snapshots of it; a reload makes a new one or changes nothing.
#pragma once

#include <algorithm>
#include <chrono>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "admission/breaker.h"
#include "admission/limit.h"
#include "admission/quota_list.h"
#include "base/fault.h"
#include "base/ip.h"
#include "base/time.h"
#include "http/authority.h"
#include "icap/service.h"
#include "identity/book.h"
#include "identity/spec.h"
#include "policy/rules.h"

namespace penstock::config {

// A Duration of zero means "no limit", as does a count of zero; `std::nullopt` is `auto`.
struct Timeouts {
  Duration head = std::chrono::seconds(10);
  Duration identify = std::chrono::seconds(3);
  Duration queue = std::chrono::milliseconds(500);
  Duration resolve = std::chrono::seconds(3);
  Duration dial = std::chrono::seconds(5);
  Duration attempt = std::chrono::milliseconds(250);
  Duration hello = std::chrono::seconds(5);
  Duration response = std::chrono::minutes(2);     // silence of an origin that owes an answer
  Duration keep_alive = std::chrono::seconds(60);  // silence of a client between two requests
  Duration idle = std::chrono::minutes(15);
  Duration half_closed = std::chrono::minutes(1);
  Duration lifetime = Duration::zero();
  Duration drain = std::chrono::seconds(30);
};

struct Limits {
  std::optional<uint64_t> tunnels;
  uint64_t tunnels_per_client = 0;
  uint64_t head_bytes = 16 * 1024;
  uint64_t head_fields = 100;
  std::optional<uint64_t> pending;
  std::optional<uint64_t> pending_per_destination;
  admission::Adapt adapt = admission::Adapt::kGradient;
  std::optional<uint64_t> queue;   // zero: nobody waits
  std::optional<uint64_t> memory;  // bytes
  uint64_t bandwidth = 0;          // bytes per second, each direction of each tunnel
  // Wrong credentials of one client address; past that it must wait.
  admission::Ration failed_logins{30, std::chrono::minutes(1)};
};

// What may go when there is no room left.
struct Overload {
  Duration close_idle = Duration::zero();  // tunnels silent for so long; zero: none
};

// TTLs are no limits on waiting: a maximum of zero keeps no answer.
struct Dns {
  std::vector<Endpoint> servers;  // empty: /etc/resolv.conf
  bool search = false;
  uint64_t cache_entries = 65536;
  Duration min_ttl = std::chrono::seconds(1);
  Duration max_ttl = std::chrono::hours(1);
  Duration negative_ttl = std::chrono::seconds(5);
  Duration stale = std::chrono::seconds(30);
};

enum class Family : uint8_t { kAny, kV4, kV6 };

// Connections kept ready behind tunnels; without destinations and with none popular: none.
struct Spares {
  std::vector<http::Authority> destinations;
  uint64_t popular = 0;  // also for so many of the most asked destinations of a worker
  uint64_t each = 2;     // to each address of one of them
  Duration age = std::chrono::seconds(5);
};

struct Dial {
  std::vector<IpAddress> source_addresses;
  Family family = Family::kAny;
  Duration keepalive = std::chrono::seconds(60);       // TCP keepalive on both ends; zero: off
  Duration unacknowledged = std::chrono::seconds(60);  // TCP_USER_TIMEOUT on both ends; zero: off
  Spares spares;
};

enum class LogLevel : uint8_t { kDebug, kInfo, kWarning, kError };

struct Log {
  std::string access = "stdout";  // stdout, stderr, off or a file
  LogLevel level = LogLevel::kInfo;
  Duration progress = Duration::zero();  // a line per this interval for long tunnels; zero: none
  bool path = false;                     // also the path of requests that are forwarded
  bool ja4 = false;                      // also the fingerprint of each TLS client
};

enum class KernelObservation : uint8_t { kOff, kAuto };

struct Observe {
  // A BPF program on the proxy's cgroup that times connects; auto: where the kernel permits it.
  KernelObservation kernel = KernelObservation::kOff;
};

enum class PolicyReload : uint8_t { kRecheck, kKeep };

// What clients may speak on a listener; their first bytes say which of it they do. kHttp: both
// versions of HTTP.
enum class Protocol : uint8_t { kHttp, kHttp1, kHttp2, kSocks5 };
// How connections come that were meant for somebody else.
enum class Transparent : uint8_t { kNo, kRedirect, kTproxy };

// Files of PEM; read by tls/, since what is in them is no configuration.
struct Certificate {
  Located<std::string> certificate;  // the proxy's own, its issuers behind it
  Located<std::string> key;
  Located<std::string> staple;  // an OCSP response; empty: none
};

enum class ClientCertificates : uint8_t { kOff, kOptional, kRequired };

// What makes an HTTPS proxy of a listener.
struct Tls {
  std::vector<Certificate> certificates;  // the first is for names that none of them has
  ClientCertificates client_certificates = ClientCertificates::kOff;
  Located<std::string> client_ca;  // empty only while clients are asked for none
  bool tickets = true;
  bool kernel = true;  // tunnels are handed to the kernel's TLS, where it takes them
};

// How parents are spoken to in TLS (`https://` in `via`).
struct Parents {
  Located<std::string> ca;           // who signs for them; empty: the system's roots
  Located<std::string> certificate;  // ours, which they may ask for; empty: none
  Located<std::string> key;          // of it

  bool certified() const { return !certificate.value.empty(); }
};

// How tunnels are inspected whose rule says so; read by bump/, since what is in its files is no
// configuration.
struct Inspection {
  Located<std::string> ca;   // the owner's: its certificate, cross-signed ones behind it
  Located<std::string> key;  // of it, which only the key keeper reads
  Located<std::string> passphrase_file;  // of the key; empty: it has none
  Located<std::string> origin_ca;        // whom origins may be signed by besides the system's roots
  Located<std::string> origin_crl;       // lists of those that were revoked; empty: none
  uint64_t leaves = 4096;                // certificates that are kept for the next tunnel
  Located<std::string> key_log;          // for debugging alone: secrets of TLS; empty: nowhere
};

struct Listener {
  Endpoint address;
  Place place;
  std::optional<Tls> tls;
  std::vector<Protocol> protocols = {Protocol::kHttp};

  // Senders of a PROXY protocol header, which every connection then begins with. Empty: nobody
  // announces clients, and a header is no request.
  std::vector<IpPrefix> announcers;
  Transparent transparent = Transparent::kNo;

  bool speaks(Protocol protocol) const {
    const bool http = protocol == Protocol::kHttp1 || protocol == Protocol::kHttp2;
    return std::ranges::any_of(protocols, [&](Protocol spoken) {
      return spoken == protocol || (http && spoken == Protocol::kHttp);
    });
  }
  bool trusts(const IpAddress& sender) const {
    return std::ranges::any_of(announcers,
                               [&](const auto& range) { return range.contains(sender); });
  }
};

struct Config {
  std::vector<Listener> listeners;
  std::optional<Endpoint> admin;                       // empty: no admin listener
  uint64_t workers = 0;                                // 0: one per CPU that this process may use
  policy::Spec policy;                                 // as written; `rules` is what runs
  std::vector<admission::QuotaSpec> quota_specs;       // as written; `quotas` is what runs
  std::vector<identity::ProviderSpec> identity_specs;  // as written; `identity` is what runs
  PolicyReload policy_reload = PolicyReload::kRecheck;
  Parents parents;
  std::optional<Inspection> inspection;  // none: no rule may inspect
  icap::Services icap;                   // that rules may name
  Timeouts timeouts;
  Limits limits;
  admission::BreakerSettings breaker;
  Overload overload;
  Dns dns;
  Dial dial;
  Log log;
  Observe observe;
  bool server_timing = false;
  std::shared_ptr<const policy::Rules> rules;
  std::shared_ptr<const admission::QuotaList> quotas;
  std::shared_ptr<const identity::Book> identity;  // null: nobody is identified
  Faults warnings;   // right, but perhaps not meant; none of it keeps the proxy from running
  std::string file;  // where it was read from; empty: built in
};

using Snapshot = std::shared_ptr<const Config>;

// What `penstock run` does without a configuration: listens on 127.0.0.1:3128, admin on
// 127.0.0.1:3129, opens public destinations on port 443 to tunnels and on port 80 to requests that
// are forwarded, and no internal address.
Snapshot defaults();

// Parses and compiles `text`; `file` is only a name for messages. All faults, or a configuration.
// Files that it names are not opened: it has no `identity`, and rules that name files for what they
// inspect are not to be asked before with_inspection().
std::expected<Snapshot, Faults> parse(std::string_view text, std::string_view file);

// The same configuration with the files that rules name in `inspect:` read (hosts that are not
// inspected, values of header fields), or all that is wrong with them.
std::expected<Snapshot, Faults> with_inspection(Snapshot config);

// The same configuration with the files of `identity:` read, or all that is wrong with them.
// `before`: what was in force until now, or null; keys that it has fetched are taken over.
std::expected<Snapshot, Faults> with_identity(Snapshot config,
                                              const identity::Book* before = nullptr);

// Reads `path`, parses it and reads the files that it names. An unreadable file is a fault without
// a place.
std::expected<Snapshot, Faults> load(const std::string& path,
                                     const identity::Book* before = nullptr);

// "file:line:column: message", one line per fault.
std::string describe(const Faults& faults, std::string_view file);

// The JSON Schema (draft 2020-12) of the configuration, for editors.
std::string schema();

}  // namespace penstock::config
