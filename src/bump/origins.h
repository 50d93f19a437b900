// How we speak TLS to the origins of inspected tunnels. Each certificate is looked at as a browser
// would: a chain to a trusted root, valid now, made for this name, not revoked as far as the origin
// itself says so (a stapled OCSP response) or a list of the owner's; and with the key that the rule
// wants, where it wants one. A fault does not end the handshake: what becomes of it
// is the rule's to say, and the client's to see.
// Thread: made on any, used by all; immutable but for OpenSSL's reference counts and the sessions
// that origins gave us to take up again, which are behind one lock. Lifetime: its sessions hold it,
// so a reload replaces it under those that go on.
#pragma once

#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/fault.h"
#include "bump/key_log.h"
#include "bump/recent.h"
#include "config/config.h"
#include "http/authority.h"
#include "policy/inspection.h"
#include "tls/owned.h"

namespace penstock::bump {

// What an origin has shown, once the handshake with it is done.
struct Shown {
  tls::OwnedCertificate certificate;
  // X509_V_ERR_...; X509_V_ERR_APPLICATION_VERIFICATION: it has none of the rule's keys.
  long fault = X509_V_OK;
};

// Of ALPN (RFC 7301), the best first.
using Protocols = std::span<const std::string_view>;

class Origins {
 public:
  // Origins whose last session is kept.
  static constexpr size_t kSessionsMax = 4096;

  // `certificates`: those that rules have for origins that ask for one. `log`: who has its secrets;
  // null: nobody.
  static std::shared_ptr<const Origins> open(const config::Inspection& settings,
                                             const std::vector<config::Certificate>& certificates,
                                             std::shared_ptr<const KeyLog> log, Faults& faults,
                                             Faults& warnings);
  class Made {  // by open() alone
    friend class Origins;
    Made() = default;
  };
  explicit Origins(Made) {}
  Origins(const Origins&) = delete;
  Origins& operator=(const Origins&) = delete;
  ~Origins();

  // Ready to speak to `origin` as `rule` wants it, offering those protocols.
  tls::OwnedSsl make_session(const http::Authority& origin, Protocols offered,
                             std::shared_ptr<const policy::Inspection> rule) const;

  static Shown shown(SSL* ssl);

 private:
  bool add(const std::string& name, const config::Certificate* files, X509_STORE* roots,
           Faults& faults, Faults& warnings);
  tls::OwnedSession last_session(const std::string& key) const;
  static int on_ticket(SSL* ssl, SSL_SESSION* session);
  static int on_status(SSL* ssl, void*);

  std::shared_ptr<const KeyLog> log_;
  std::unordered_map<std::string, tls::OwnedContext> contexts_;  // by file of the certificate
  mutable std::mutex mutex_;
  mutable Recent<tls::OwnedSession> sessions_{kSessionsMax};
};
using OriginsPtr = std::shared_ptr<const Origins>;

}  // namespace penstock::bump
