#include "load/tls_session.h"

#include <openssl/err.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "base/check.h"
#include "tls/self_signed.h"

namespace penstock::load {

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
  tls::certify_itself(out.get(), "load origin");
  return out;
}

TlsSession::TlsSession(const TlsContext& context, const std::string& server_name)
    : ssl_(SSL_new(context.get())) {
  PENSTOCK_CHECK(ssl_);
  BIO* const bio = tls::bio_over(*this);
  SSL_set_bio(ssl_.get(), bio, bio);
  if (SSL_is_server(ssl_.get())) {
    SSL_set_accept_state(ssl_.get());
  } else {
    SSL_set_connect_state(ssl_.get());
    if (!server_name.empty()) SSL_set_tlsext_host_name(ssl_.get(), server_name.c_str());
  }
}

long TlsSession::settle(loop::Moved moved) {
  if (moved.failed()) error_ = moved.error();
  return moved.count;
}

// A Stream is asked only when the loop has said that it is ready: most reads that would only be
// told EAGAIN are never made.
long TlsSession::carry_in(std::span<uint8_t> into) {
  if (!stream_->source().ready(loop::kReadable)) return -EAGAIN;
  return settle(stream_->read(into));
}

long TlsSession::carry_out(std::span<const uint8_t> from) {
  if (!stream_->source().ready(loop::kWritable)) return -EAGAIN;
  return settle(stream_->write(from));
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
