#include "load/tls_session.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "base/check.h"

namespace penstock::load {

// OpenSSL's idea of a socket, on top of ours. A Stream is asked only when the loop has said that
// it is ready: most reads that would only be told EAGAIN are never made.
struct StreamBio {
  static TlsSession& session(BIO* bio) { return *static_cast<TlsSession*>(BIO_get_data(bio)); }

  static int settle(TlsSession& session, loop::Moved moved) {
    if (moved.failed()) session.error_ = moved.error();
    return moved.bytes() ? static_cast<int>(moved.count) : moved.end() ? 0 : -1;
  }

  static int read(BIO* bio, char* into, int size) {
    TlsSession& self = session(bio);
    BIO_clear_retry_flags(bio);
    loop::Moved moved{-EAGAIN};
    if (self.stream_->source().ready(loop::kReadable)) {
      // SAFETY: OpenSSL gives a buffer of `size` chars, and chars are bytes.
      moved = self.stream_->read({reinterpret_cast<uint8_t*>(into), static_cast<size_t>(size)});
    }
    if (moved.would_block()) BIO_set_retry_read(bio);
    return settle(self, moved);
  }

  static int write(BIO* bio, const char* from, int size) {
    TlsSession& self = session(bio);
    BIO_clear_retry_flags(bio);
    loop::Moved moved{-EAGAIN};
    if (self.stream_->source().ready(loop::kWritable)) {
      // SAFETY: as above.
      moved =
          self.stream_->write({reinterpret_cast<const uint8_t*>(from), static_cast<size_t>(size)});
    }
    if (moved.would_block()) BIO_set_retry_write(bio);
    return settle(self, moved);
  }

  static long control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

  static BIO_METHOD* method() {
    struct Free {
      void operator()(BIO_METHOD* made) const { BIO_meth_free(made); }
    };
    static const std::unique_ptr<BIO_METHOD, Free> kMethod = [] {
      std::unique_ptr<BIO_METHOD, Free> made(
          BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "loop stream"));
      PENSTOCK_CHECK(made);
      BIO_meth_set_read(made.get(), read);
      BIO_meth_set_write(made.get(), write);
      BIO_meth_set_ctrl(made.get(), control);
      return made;
    }();
    return kMethod.get();
  }
};

namespace {

struct FreeKey {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
struct FreeCertificate {
  void operator()(X509* certificate) const { X509_free(certificate); }
};

void certify_itself(SSL_CTX* context) {
  const std::unique_ptr<EVP_PKEY, FreeKey> key(EVP_EC_gen("P-256"));
  const std::unique_ptr<X509, FreeCertificate> certificate(X509_new());
  PENSTOCK_CHECK(key && certificate);
  constexpr long kDay = 24 * 60 * 60;
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -kDay);  // clocks differ
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 365 * kDay);
  X509_set_pubkey(certificate.get(), key.get());
  X509_NAME* const name = X509_get_subject_name(certificate.get());
  // SAFETY: OpenSSL wants unsigned chars, and a literal's chars are bytes.
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("load origin"), -1, -1, 0);
  X509_set_issuer_name(certificate.get(), name);
  PENSTOCK_CHECK(X509_sign(certificate.get(), key.get(), EVP_sha256()) > 0);
  PENSTOCK_CHECK(SSL_CTX_use_certificate(context, certificate.get()) == 1);
  PENSTOCK_CHECK(SSL_CTX_use_PrivateKey(context, key.get()) == 1);
}

}  // namespace

TlsContext::TlsContext(const SSL_METHOD* method) : context_(SSL_CTX_new(method)) {
  PENSTOCK_CHECK(context_);
  SSL_CTX* const context = context_.get();
  // One record of plain text may be cut into writes, and come again from another buffer.
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
  // Each handshake is a full one, so that one measures what the next one does; and a ticket that
  // nobody reads would turn the close of a short tunnel into a reset.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
  SSL_CTX_set_num_tickets(context, 0);
  SSL_CTX_set_read_ahead(context, 1);  // not five bytes, and then the record
  SSL_CTX_set_default_read_buffer_len(context, size_t{64} << 10);
}

TlsContext TlsContext::client() {
  TlsContext out(TLS_client_method());
  SSL_CTX_set_verify(out.get(), SSL_VERIFY_NONE, nullptr);
  return out;
}

TlsContext TlsContext::server() {
  TlsContext out(TLS_server_method());
  certify_itself(out.get());
  return out;
}

TlsSession::TlsSession(const TlsContext& context, const std::string& server_name)
    : ssl_(SSL_new(context.get())) {
  PENSTOCK_CHECK(ssl_);
  BIO* const bio = BIO_new(StreamBio::method());
  PENSTOCK_CHECK(bio);
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_.get(), bio, bio);  // takes the BIO
  if (SSL_is_server(ssl_.get())) {
    SSL_set_accept_state(ssl_.get());
  } else {
    SSL_set_connect_state(ssl_.get());
    if (!server_name.empty()) SSL_set_tlsext_host_name(ssl_.get(), server_name.c_str());
  }
}

loop::Moved TlsSession::outcome(int result) {
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ: needs_ = loop::kReadable; return {-EAGAIN};
    case SSL_ERROR_WANT_WRITE: needs_ = loop::kWritable; return {-EAGAIN};
    case SSL_ERROR_ZERO_RETURN: return {0};
    default: return {error_ != 0 ? -error_ : -EPROTO};
  }
}

loop::Moved TlsSession::handshake(loop::Stream& stream) {
  stream_ = &stream;
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_.get());
  return result == 1 ? loop::Moved{1} : outcome(result);
}

loop::Moved TlsSession::read(loop::Stream& stream, std::span<uint8_t> into) {
  stream_ = &stream;
  size_t filled = 0;
  // A call gives one record at most, 16 KiB.
  while (filled < into.size()) {
    ERR_clear_error();
    const auto room = static_cast<int>(std::min<size_t>(into.size() - filled, INT_MAX));
    const int result = SSL_read(ssl_.get(), into.data() + filled, room);
    if (result > 0) {
      filled += static_cast<size_t>(result);
      continue;
    }
    // Behind bytes, whatever it is will be said again.
    const loop::Moved moved = outcome(result);
    if (filled == 0) return moved;
    break;
  }
  return {static_cast<long>(filled)};
}

loop::Moved TlsSession::write(loop::Stream& stream, std::span<const uint8_t> from) {
  stream_ = &stream;
  size_t taken = 0;
  while (taken < from.size()) {
    ERR_clear_error();
    const auto size = static_cast<int>(std::min<size_t>(from.size() - taken, INT_MAX));
    const int result = SSL_write(ssl_.get(), from.data() + taken, size);
    if (result > 0) {
      taken += static_cast<size_t>(result);
      continue;
    }
    const loop::Moved moved = outcome(result);
    if (taken == 0) return moved;
    break;
  }
  return {static_cast<long>(taken)};
}

loop::Moved TlsSession::close_notify(loop::Stream& stream) {
  stream_ = &stream;
  ERR_clear_error();
  const int result = SSL_shutdown(ssl_.get());
  return result >= 0 ? loop::Moved{1} : outcome(result);
}

}  // namespace penstock::load
