// What a TLS listener shows its clients and asks of them: certificates chosen by the name that the
// client wants (SNI), protocol versions, tickets, client certificates. TLS 1.2 and 1.3, ECDHE and
// AEAD only, no renegotiation, no compression, no early data.
// Thread: made on any, used by all; immutable but for OpenSSL's own reference counts, and the
// kernel's offer. Lifetime: its sessions hold it, so a reload replaces it under those that go on.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/fault.h"
#include "config/config.h"
#include "tls/credentials.h"
#include "tls/kernel_offer.h"
#include "tls/owned.h"
#include "tls/ticket_keys.h"

namespace penstock::tls {

class ServerContext {
 public:
  // Reads the files of `listener`, which is called `path` in messages. `alpn`: the protocols that
  // are spoken behind the handshake, best first; a client that offers none of them is refused.
  static std::shared_ptr<const ServerContext> open(const config::Tls& listener,
                                                   const std::string& path,
                                                   std::vector<std::string> alpn,
                                                   std::shared_ptr<TicketKeys> keys, Faults& faults,
                                                   Faults& warnings);
  class Made {  // by open() alone
    friend class ServerContext;
    Made() = default;
  };
  explicit ServerContext(Made) {}
  ServerContext(const ServerContext&) = delete;
  ServerContext& operator=(const ServerContext&) = delete;
  ~ServerContext();

  // What the kernel has refused of its sessions.
  KernelOffer& kernel_offer() const { return kernel_offer_; }
  OwnedSsl make_session() const { return OwnedSsl(SSL_new(choices_.front().context.get())); }

 private:
  // One certificate and everything that goes with it.
  struct Choice {
    OwnedContext context;
    std::string staple;
    time_t staple_until = 0;
  };
  bool add(Credentials credentials, const config::Tls& listener, std::string* why_not);
  SSL_CTX* choose(std::string_view name) const;
  void ask_for_certificates(const config::Tls& listener,
                            const std::vector<OwnedCertificate>& issuers,
                            const std::string& authority);

  static int on_name(SSL* ssl, int* alert, void* self);
  static int on_status(SSL* ssl, void* choice);
  static int on_alpn(SSL* ssl, const unsigned char** out, unsigned char* size,
                     const unsigned char* offered, unsigned int offered_size, void* self);

  std::vector<Choice> choices_;                         // the first: for names that none has
  std::unordered_map<std::string, SSL_CTX*> exact_;     // by name
  std::unordered_map<std::string, SSL_CTX*> wildcard_;  // by what stands behind "*."
  std::vector<std::string> alpn_;
  std::shared_ptr<TicketKeys> keys_;
  mutable KernelOffer kernel_offer_;
};
using ServerContextPtr = std::shared_ptr<const ServerContext>;

// One for each listener of `config`, nothing where it speaks no TLS. All of them or the faults.
// `keys` outlive a reload, so that tickets do.
std::expected<std::vector<ServerContextPtr>, Faults> open_server_contexts(
    const config::Config& config, const std::shared_ptr<TicketKeys>& keys, Faults* warnings);

}  // namespace penstock::tls
