// How the clients of inspected tunnels are spoken to in TLS: as the origin would, but for the
// certificate, which is a leaf of the owner's CA. No tickets: what a client could take up again
// would be the trust in an origin that may have changed since.
// Thread: made on any, used by all; immutable.   Lifetime: its sessions hold it.
#pragma once

#include <memory>
#include <string>

#include "bump/key_log.h"
#include "tls/owned.h"

namespace penstock::bump {

class Clients {
 public:
  // `log`: who has its secrets; null: nobody.
  explicit Clients(std::shared_ptr<const KeyLog> log);
  Clients(const Clients&) = delete;
  Clients& operator=(const Clients&) = delete;

  // `agreed`: what the origin has agreed on (ALPN). Where that is HTTP/1.1, a client may have
  // HTTP/2 if it offers that; of anything else it gets the very same. Empty: it gets what it offers
  // of HTTP, or nothing.
  tls::OwnedSsl make_session(const std::string& agreed) const;

 private:
  static int on_alpn(SSL* ssl, const unsigned char** out, unsigned char* size,
                     const unsigned char* offered, unsigned int offered_size, void*);

  const std::shared_ptr<const KeyLog> log_;
  tls::OwnedContext context_;
};

}  // namespace penstock::bump
