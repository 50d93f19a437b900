// TLS on a loop's non-blocking socket: OpenSSL reads and writes through loop::Stream, so that the
// readiness that the loop remembers stays true. Nothing is verified: what is measured is the way
// through a proxy, and the certificate is one that the origin has made for itself a moment ago.
// Thread: a context any, a session one.
#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "loop/stream.h"
#include "tls/carrier.h"

namespace penstock::load {

class TlsContext {
 public:
  static TlsContext client();
  // With a self-signed P-256 certificate that is made here and never leaves memory.
  static TlsContext server();

  SSL_CTX* get() const { return context_.get(); }

 private:
  explicit TlsContext(const SSL_METHOD* method);

  struct Free {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  };
  std::unique_ptr<SSL_CTX, Free> context_;
};

// One connection's TLS state. Each call names the stream that it runs over, always the same one.
class TlsSession final : private tls::Carrier {
 public:
  // `server_name`: the SNI of a client; empty: none, as for an address literal (RFC 6066).
  TlsSession(const TlsContext& context, const std::string& server_name);
  TlsSession(const TlsSession&) = delete;  // its BIO knows where it is
  TlsSession& operator=(const TlsSession&) = delete;

  // bytes(): done. As below, -EAGAIN means to wait for needs() and to call again.
  loop::Moved handshake(loop::Stream& stream);
  // As Stream's, in plain text. -EPROTO: a TLS error, or an end that no close_notify announced.
  // A read fills `into` as far as it can; wait only once it said -EAGAIN, since a session may
  // hold bytes that the socket no longer has.
  loop::Moved read(loop::Stream& stream, std::span<uint8_t> into);
  loop::Moved write(loop::Stream& stream, std::span<const uint8_t> from);
  // Says close_notify. bytes(): it is on its way.
  loop::Moved close_notify(loop::Stream& stream);

  uint8_t needs() const { return needs_; }  // of the call that said -EAGAIN last

 private:
  long carry_in(std::span<uint8_t> into) override;
  long carry_out(std::span<const uint8_t> from) override;
  long settle(loop::Moved moved);
  loop::Moved outcome(int result);

  struct Free {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };
  std::unique_ptr<SSL, Free> ssl_;
  loop::Stream* stream_ = nullptr;  // during a call
  int error_ = 0;                   // the socket's, which the kernel tells only once
  uint8_t needs_ = loop::kReadable;
};

}  // namespace penstock::load
