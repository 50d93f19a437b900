#include "tls/session.h"

#include <openssl/err.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "base/ascii.h"
#include "base/check.h"
#include "sys/calls.h"
#include "tls/records.h"

namespace penstock::tls {
namespace {

// A key update costs a key derivation, and one that asks for an answer another: those that honest
// clients send come after gigabytes (RFC 8446 section 5.5).
constexpr uint64_t kKeyUpdatesFree = 16;
constexpr uint64_t kBytesPerKeyUpdate = uint64_t{1024} * 1024;
// What OpenSSL reads at a time from a client that is known.
constexpr size_t kReadBufferBytes = size_t{64} * 1024;

Code code_of(unsigned long error) {
  if (ERR_GET_LIB(error) != ERR_LIB_SSL) return Code::kTlsFailed;
  switch (ERR_GET_REASON(error)) {
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_WRONG_SSL_VERSION:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION: return Code::kTlsVersion;
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_SHARED_GROUPS:
    case SSL_R_NO_SUITABLE_GROUPS:
    case SSL_R_NO_SUITABLE_KEY_SHARE:
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
    case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS: return Code::kTlsCipher;
    case SSL_R_NO_APPLICATION_PROTOCOL: return Code::kTlsAlpn;
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE: return Code::kCertificateMissing;
    case SSL_R_CERTIFICATE_VERIFY_FAILED: return Code::kCertificateRefused;
    // What clients say of a certificate of ours that they do not like.
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_TLSV1_ALERT_ACCESS_DENIED: return Code::kCertificateDistrusted;
    default: return Code::kTlsFailed;
  }
}

}  // namespace

Session::Session(std::shared_ptr<const void> context, OwnedSsl ssl, Side side, loop::Stream& stream,
                 Outbox& outbox, std::vector<uint8_t> early)
    : stream_(&stream),
      below_(stream.take_off()),
      own_outbox_(below_ ? std::make_unique<Outbox>() : nullptr),
      outbox_(own_outbox_ ? *own_outbox_ : outbox),
      context_(std::move(context)),
      ssl_(std::move(ssl)),
      early_(std::move(early)) {
  PENSTOCK_CHECK(ssl_);
  side == Side::kServer ? SSL_set_accept_state(ssl_.get()) : SSL_set_connect_state(ssl_.get());
  BIO* const bio = bio_over(*this);
  SSL_set_bio(ssl_.get(), bio, bio);
  SSL_set_msg_callback(ssl_.get(), on_message);
  SSL_set_msg_callback_arg(ssl_.get(), this);
  if (KernelNotes::asked_for(ssl_.get())) notes_ = std::make_unique<KernelNotes>(ssl_.get());
}

Session::Session(const ServerContextPtr& context, loop::Stream& stream, Outbox& outbox,
                 std::vector<uint8_t> early)
    : Session(context, context->make_session(), Side::kServer, stream, outbox, std::move(early)) {}

Session::Session(const ClientContextPtr& context, const http::Authority& parent,
                 loop::Stream& stream, Outbox& outbox)
    : Session(context, context->make_session(parent), Side::kClient, stream, outbox) {}

Session::~Session() = default;

void Session::follow(loop::Stream& stream) {
  stream_ = &stream;
  if (below_) below_->follow(stream);
}

void Session::reset_on_close() {
  if (below_) below_->reset_on_close();
}

loop::Moved Session::take_in(std::span<uint8_t> into) {
  if (!early_.empty()) {
    const size_t taken = std::min(into.size(), early_.size());
    std::copy_n(early_.begin(), taken, into.begin());
    early_ = {early_.begin() + static_cast<ptrdiff_t>(taken), early_.end()};
    return {static_cast<long>(taken)};
  }
  if (!stream_->source().ready(loop::kReadable)) return {-EAGAIN};
  return below_ ? below_->read(into) : stream_->read_socket(into);
}

long Session::carry_in(std::span<uint8_t> into) {
  if (error_ != 0) return -error_;
  if (ended_) return 0;
  if (concluding_ && early_.empty())
    into = into.first(std::min(into.size(), notes_->to_boundary()));
  if (into.empty()) return -EAGAIN;
  const loop::Moved moved = take_in(into);
  ended_ = moved.end();
  if (moved.failed()) error_ = moved.error();
  if (!moved.bytes()) return moved.count;
  // OpenSSL would wait for a whole header, and take one of SSL 2.0. A server may begin with an
  // alert.
  const bool tls = into[0] == kHandshakeRecord || (into[0] == kAlertRecord && !server());
  if (received_ == 0 && !tls) {
    plain_http_ = is_alpha(static_cast<char>(into[0]));  // of a method's name
    error_ = EBADMSG;
    return -EBADMSG;
  }
  received_ += static_cast<uint64_t>(moved.count);
  if (notes_) notes_->note_arrived(into.first(static_cast<size_t>(moved.count)));
  if (shaking_hands_ && received_ > kHandshakeBytesMax) {
    error_ = EMSGSIZE;
    return -EMSGSIZE;
  }
  return moved.count;
}

long Session::carry_out(std::span<const uint8_t> from) {
  outbox_.insert(outbox_.end(), from.begin(), from.end());
  if (notes_) notes_->note_departed(from);
  return static_cast<long>(from.size());
}

// What is below takes so much at a time; a socket takes what it has room for.
long Session::send(std::span<const uint8_t> bytes) {
  size_t sent = 0;
  while (sent < bytes.size() && error_ == 0 && stream_->source().ready(loop::kWritable)) {
    const std::span<const uint8_t> rest = bytes.subspan(sent);
    const loop::Moved moved = below_ ? below_->write(rest) : stream_->write_socket(rest);
    if (moved.failed()) error_ = moved.error();
    if (!moved.bytes()) break;
    sent += static_cast<size_t>(moved.count);
    if (!below_) break;
  }
  return static_cast<long>(sent);
}

bool Session::flush() {
  const auto sent = static_cast<ptrdiff_t>(send(unsent_));
  unsent_.erase(unsent_.begin(), unsent_.begin() + sent);
  size_t of_outbox = 0;
  if (unsent_.empty()) {
    unsent_ = {};  // an idle session holds no buffer
    of_outbox = static_cast<size_t>(send(outbox_));
  }
  unsent_.insert(unsent_.end(), outbox_.begin() + static_cast<ptrdiff_t>(of_outbox), outbox_.end());
  outbox_.clear();
  return unsent_.empty();
}

int Session::failure() const {
  return error_ != 0 ? error_ : EPROTO;
}

// OpenSSL numbers the alerts that it was sent by their own numbers, from there on.
void Session::note_reason() {
  const unsigned long error = ERR_peek_error();
  if (ERR_GET_LIB(error) != ERR_LIB_SSL) return;
  alerted_ = ERR_GET_REASON(error) >= SSL_AD_REASON_OFFSET;
  reason_ = ERR_reason_error_string(error);
}

Error Session::parent_failure() {
  if (error_ == EBADMSG) return Error{Code::kParentPlain};
  if (error_ == EMSGSIZE) return Error{Code::kParentTls};
  if (error_ != 0 || ended_) {
    reason_ = "it broke off";
    return Error{Code::kParentTls, error_};
  }
  note_reason();
  if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_CERTIFICATE_VERIFY_FAILED) {
    reason_ = X509_verify_cert_error_string(SSL_get_verify_result(ssl_.get()));
    return Error{Code::kParentCertificate};
  }
  return Error{alerted_ ? Code::kParentAlert : Code::kParentTls};
}

Error Session::handshake_failure(int result) {
  if (!server()) return parent_failure();
  if (plain_http_) return Error{Code::kTlsPlainHttp};
  if (error_ == EMSGSIZE || error_ == EBADMSG) return Error{Code::kTlsFailed};
  if (error_ != 0 || ended_) return Error{Code::kClientGone, error_};
  PENSTOCK_CHECK(SSL_get_error(ssl_.get(), result) != SSL_ERROR_NONE);
  return Error{code_of(ERR_peek_error())};
}

Session::Progress Session::handshake() {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_.get());
  const int why = result == 1 ? SSL_ERROR_NONE : SSL_get_error(ssl_.get(), result);
  const bool sent = flush();  // an alert as well
  if (why == SSL_ERROR_WANT_READ && error_ == 0) {
    return {.needs = static_cast<uint8_t>(loop::kReadable | (sent ? 0 : loop::kWritable))};
  }
  if (why != SSL_ERROR_NONE) {
    const Error failed = handshake_failure(result);
    ERR_clear_error();
    return {.failed = failed};
  }
  shaking_hands_ = false;
  SSL_set_default_read_buffer_len(ssl_.get(), kReadBufferBytes);
  // A request that came along with the end of the handshake is in OpenSSL's hands.
  if (pending()) stream_->source().suppose(loop::kReadable);
  return {.done = true};
}

void Session::on_message(int written, int, int type, const void* bytes, size_t size, SSL*,
                         void* self) {
  Session& session = *static_cast<Session*>(self);
  if (size == 0) return;
  const uint8_t first = *static_cast<const uint8_t*>(bytes);
  if (type == SSL3_RT_HEADER && session.notes_) session.notes_->note_record(written != 0, first);
  if (written != 0 || type != SSL3_RT_HANDSHAKE || first != SSL3_MT_KEY_UPDATE) return;
  if (session.notes_) session.notes_->note_key_update();
  const uint64_t allowed = kKeyUpdatesFree + session.received_ / kBytesPerKeyUpdate;
  if (++session.key_updates_ > allowed && session.error_ == 0) session.error_ = EPROTO;
}

loop::Moved Session::read(std::span<uint8_t> into) {
  ERR_clear_error();
  size_t filled = 0;
  int result = 1;
  // A call gives one record at most, 16 KiB.
  while (filled < into.size() && error_ == 0) {
    const auto room = static_cast<int>(std::min<size_t>(into.size() - filled, INT32_MAX));
    result = SSL_read(ssl_.get(), into.data() + filled, room);
    if (result <= 0) break;
    filled += static_cast<size_t>(result);
  }
  const int why = result > 0 ? SSL_ERROR_NONE : SSL_get_error(ssl_.get(), result);
  if (why == SSL_ERROR_SSL && !server()) note_reason();
  ERR_clear_error();
  flush();  // the answer to a key update
  // What it still holds is not announced by the kernel.
  if (result > 0 && pending()) stream_->source().suppose(loop::kReadable);
  if (filled > 0) {
    // The end, or whatever it is, will be said again.
    if (why != SSL_ERROR_NONE && why != SSL_ERROR_WANT_READ) {
      stream_->source().suppose(loop::kReadable);
    }
    return {static_cast<long>(filled)};
  }
  if (error_ != 0) return {-failure()};
  if (why == SSL_ERROR_WANT_READ) return {-EAGAIN};
  if (why == SSL_ERROR_ZERO_RETURN) return {0};
  return {ended_ ? -ENODATA : -failure()};
}

loop::Moved Session::write(std::span<const uint8_t> from) {
  if (promised_ > from.size()) return {-EPIPE};  // the rest was given up, and cannot be taken back
  if (promised_ == 0) {
    if (!flush()) return {error_ != 0 ? -error_ : -EAGAIN};
    const std::span<const uint8_t> taken = from.first(std::min(from.size(), kWriteBytesMax));
    ERR_clear_error();
    const int result = SSL_write(ssl_.get(), taken.data(), static_cast<int>(taken.size()));
    ERR_clear_error();
    if (result <= 0) return {-failure()};
    promised_ = static_cast<size_t>(result);
  }
  return settle_promise();
}

// Bytes are called taken as their cipher text leaves, and the last of them when all of it has.
loop::Moved Session::settle_promise() {
  const size_t before = unsent_.size() + outbox_.size();
  const bool all = flush();
  if (error_ != 0) return {-error_};
  if (all) return {static_cast<long>(std::exchange(promised_, 0))};
  const size_t taken = std::min(before - unsent_.size(), promised_ - 1);
  promised_ -= taken;
  return {taken > 0 ? static_cast<long>(taken) : -EAGAIN};
}

bool Session::shutdown_write() {
  if (!closing_) {
    closing_ = true;
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
    ERR_clear_error();
  }
  if (!flush() && error_ == 0) return false;
  if (below_) return below_->shutdown_write();
  sys::calls::shutdown(stream_->fd(), SHUT_WR);
  return true;
}

std::optional<Continuation> Session::conclude(std::vector<uint8_t>& early) {
  if (!notes_ || shaking_hands_ || closing_ || promised_ > 0 || !flush()) return std::nullopt;
  const auto has_some = [this] { return pending() || notes_->to_boundary() != 0; };
  loop::Moved moved{-EAGAIN};
  concluding_ = true;
  if (has_some()) {
    std::array<uint8_t, SSL3_RT_MAX_PLAIN_LENGTH> buffer;
    while ((moved = read(buffer)).bytes()) {
      early.insert(early.end(), buffer.data(), buffer.data() + moved.count);
    }
  }
  concluding_ = false;
  if (!moved.would_block()) {
    stream_->source().suppose(loop::kReadable);  // an end, or whatever it is, will be said again
    return std::nullopt;
  }
  if (has_some() || SSL_get_shutdown(ssl_.get()) != 0) return std::nullopt;
  return notes_->conclude();
}

loop::Task<std::optional<Error>> shake_hands(Session& session, loop::Stream& stream,
                                             loop::Timer& timer) {
  for (;;) {
    const Session::Progress progress = session.handshake();
    if (progress.failed) co_return progress.failed;
    if (progress.done) co_return std::nullopt;
    if (timer.expired()) co_return Error{Code::kTlsTimeout};
    co_await loop::Wait(timer.loop()).on(stream.source(), progress.needs).until(timer);
  }
}

}  // namespace penstock::tls
