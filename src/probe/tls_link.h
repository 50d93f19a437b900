// TLS over another link, as a client, with the instants at which the ClientHello had left and the
// ServerHello had arrived. A link over a link gives TLS within TLS, for an https:// proxy.
// Thread: one.   Lifetime: the link under it outlives it.
#pragma once

#include <string>

#include "probe/link.h"
#include "probe/trust.h"
#include "tls/carrier.h"

namespace penstock::probe {

// What was agreed upon.
struct TlsFacts {
  std::string version;   // "TLSv1.3"
  std::string cipher;    // "TLS_AES_256_GCM_SHA384"
  std::string group;     // "X25519"; empty: none was used
  std::string alpn;      // "http/1.1"; empty: the server chose none
  bool retried = false;  // a HelloRetryRequest took one round trip more
  Trust trust;

  bool tls13() const { return version == "TLSv1.3"; }
};

class TlsLink final : public Link, private tls::Carrier {
 public:
  // `host`: whose certificate is expected; a name is sent as SNI, an address is not (RFC 6066).
  TlsLink(Link& under, SSL_CTX* context, const std::string& host);

  // Each step has `patience`: the ClientHello, the wait for the ServerHello, and what follows.
  // Whether the certificate is good is not looked at: see facts().
  Linked<void> handshake(Duration patience);
  // When it had been handed to the kernel, and had arrived; empty: not yet. Good after a fault too.
  std::optional<Instant> client_hello_sent() const { return client_hello_sent_; }
  std::optional<Instant> server_hello_heard() const { return server_hello_heard_; }
  // After the handshake. `ca` as for client_context().
  TlsFacts facts(const std::string& ca) const;

  Linked<size_t> read(std::span<uint8_t> into, Instant deadline) override;
  Linked<void> write(std::span<const uint8_t> from, Instant deadline) override;
  Instant heard() const override { return under_.heard(); }
  Instant said() const override { return under_.said(); }
  std::optional<uint32_t> rtt_us() const override { return under_.rtt_us(); }

 private:
  static void notice(int written, int version, int type, const void* bytes, size_t size, SSL* ssl,
                     void* self);
  long carry_in(std::span<uint8_t> into) override;
  long carry_out(std::span<const uint8_t> from) override;
  LinkFault fault(int result);

  Link& under_;
  const std::string host_;
  std::unique_ptr<SSL, FreeTls> ssl_;
  Instant deadline_ = kNever;
  Duration patience_{};
  std::optional<LinkFault> fault_under_;
  bool spoke_tls_ = false;  // what arrived first was a TLS record
  std::optional<Instant> client_hello_sent_;
  std::optional<Instant> server_hello_heard_;
  bool retried_ = false;
};

}  // namespace penstock::probe
