// How we speak TLS to parents: whom we trust to sign for them, the certificate that we show to
// those who ask for one, ALPN http/1.1. A parent must have a certificate that leads to a trusted
// issuer, is valid now, and has the name or address by which it was configured among its
// alternative names (RFC 9525: a common name counts for nothing). Thread: made on any, used by all;
// immutable but for OpenSSL's reference counts and the sessions that parents gave us to take up
// again, which are behind a lock each. Lifetime: its sessions hold it, so a reload replaces it
// under those that go on, and what parents gave under other trust is forgotten.
#pragma once

#include <expected>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/fault.h"
#include "config/config.h"
#include "http/proxy_url.h"
#include "tls/owned.h"

namespace penstock::tls {

class ClientContext {
 public:
  // Reads the files that `settings` names. `parents`: those that it will be used for.
  static std::shared_ptr<const ClientContext> open(const config::Parents& settings,
                                                   const std::vector<http::Authority>& parents,
                                                   Faults& faults, Faults& warnings);
  class Made {  // by open() alone
    friend class ClientContext;
    Made() = default;
  };
  explicit ClientContext(Made) {}
  ClientContext(const ClientContext&) = delete;
  ClientContext& operator=(const ClientContext&) = delete;
  ~ClientContext();

  // Ready to speak to `parent`, and to no other. Its name is sent (SNI), unless it is an address.
  OwnedSsl make_session(const http::Authority& parent) const;

 private:
  // What one parent gave us last (RFC 8446 section 4.6.1): the next handshake needs no signature.
  struct Ticket {
    std::mutex mutex;
    OwnedSession session;
  };
  static int on_ticket(SSL* ssl, SSL_SESSION* session);

  OwnedContext context_;
  mutable std::unordered_map<std::string, Ticket> tickets_;  // of each of `parents`
};
using ClientContextPtr = std::shared_ptr<const ClientContext>;

// For `config`; null where no parent is spoken to in TLS. Or all that is wrong with its files.
std::expected<ClientContextPtr, Faults> open_client_context(const config::Config& config,
                                                            Faults* warnings);

}  // namespace penstock::tls
