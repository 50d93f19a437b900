#include "tls/kernel.h"

#include <openssl/ssl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "sys/calls.h"

namespace penstock::tls {
namespace {

namespace kernel = sys::kernel_tls;
using kernel::Way;

// Of what is not data, in one read. Honest peers send one, at their end.
constexpr int kNoticesMax = 16;
// Key updates that cost a peer nothing; each of the others has to come behind as many records,
// which are 1 MiB if they are full. As a Session has it.
constexpr uint32_t kFreeKeyUpdates = 16;
constexpr int64_t kRecordsPerKeyUpdate = 64;
constexpr size_t kKeyUpdateBytes = 5;
constexpr size_t kAlertBytes = 2;

// What an attempt says of itself alone, and not of the kernel.
bool passing(int error) {
  return error == ENOTCONN || error == ENOMEM || error == ENOBUFS;
}

}  // namespace

KernelSession::KernelSession(loop::Stream& stream, Continuation from, int64_t taken,
                             std::unique_ptr<loop::Transport> writer)
    : stream_(&stream),
      writer_(std::move(writer)),
      keys_(std::make_unique<Continuation>(std::move(from))),
      overhead_(keys_->record_overhead),
      reckoned_(taken - records(keys_->send.sequence)) {}

KernelSession::~KernelSession() = default;

void KernelSession::follow(loop::Stream& stream) {
  stream_ = &stream;
  if (writer_) writer_->follow(stream);
}

int64_t KernelSession::records(uint64_t count) const {
  return static_cast<int64_t>(count * overhead_);
}

loop::Moved KernelSession::read(std::span<uint8_t> into) {
  for (int notices = 0; !ended_; ++notices) {
    const kernel::Received got = kernel::receive(stream_->fd(), into);
    if (got.count < 0) return {got.count};
    if (!got.type) return {-ENODATA};
    if (*got.type == SSL3_RT_APPLICATION_DATA && got.count > 0) return {got.count};
    if (notices == kNoticesMax) return {-EPROTO};
    if (*got.type == SSL3_RT_APPLICATION_DATA) continue;  // a record without a byte
    const int error = hear(*got.type, into.first(static_cast<size_t>(got.count)));
    if (error != 0) return {-error};
  }
  return {0};
}

// A short read brings a notice in pieces.
int KernelSession::hear(uint8_t type, std::span<const uint8_t> bytes) {
  const bool alert = type == SSL3_RT_ALERT;
  const size_t whole = alert ? kAlertBytes : kKeyUpdateBytes;
  const bool known = alert || type == SSL3_RT_HANDSHAKE;
  if (!known || bytes.empty() || notice_size_ + bytes.size() > whole) return EPROTO;
  std::ranges::copy(bytes, notice_.begin() + notice_size_);
  notice_size_ += static_cast<uint8_t>(bytes.size());
  if (notice_size_ < whole) return 0;
  notice_size_ = 0;
  if (alert) return hear_alert(notice_[0], notice_[1]);
  // Another handshake, which TLS 1.2 could begin, is refused like everything else.
  constexpr std::array<uint8_t, 4> kKeyUpdate = {SSL3_MT_KEY_UPDATE, 0, 0, 1};
  const bool update = std::ranges::equal(std::span(notice_).first(4), kKeyUpdate);
  const uint8_t asked = notice_[4];
  if (!update || asked > 1 || keys_->receive.version != kernel::Version::kTls13) return EPROTO;
  return renew_keys(asked == 1);
}

int KernelSession::hear_alert(uint8_t level, uint8_t description) {
  const bool newest = keys_->receive.version == kernel::Version::kTls13;
  if (description == SSL3_AD_CLOSE_NOTIFY) {
    ended_ = true;
    return 0;
  }
  // TLS 1.3 has no warnings but this one.
  const bool warning = newest ? description == SSL_AD_USER_CANCELLED : level == SSL3_AL_WARNING;
  return warning ? 0 : EPROTO;
}

// Linux takes new keys since 6.14; before, records under them are no records to it.
int KernelSession::renew_keys(bool asked) {
  const int fd = stream_->fd();
  const auto since = kernel::sequence(fd, Way::kReceive, keys_->receive.cipher);
  if (++key_updates_ > kFreeKeyUpdates && since < kRecordsPerKeyUpdate) return EPROTO;
  keys_->receive_secret = next(keys_->digest, keys_->receive_secret);
  derive(keys_->digest, keys_->receive_secret, keys_->receive);
  keys_->receive.sequence = 0;
  if (kernel::set_keys(fd, Way::kReceive, keys_->receive) < 0) return EKEYEXPIRED;
  if (!asked) return 0;
  // Two directions would be two generations apart for OpenSSL, which writes.
  if (writer_) return EKEYEXPIRED;
  constexpr std::array<uint8_t, kKeyUpdateBytes> kAnswer = {SSL3_MT_KEY_UPDATE, 0, 0, 1, 0};
  if (say(SSL3_RT_HANDSHAKE, kAnswer) < 0) return EKEYEXPIRED;
  const auto sent = kernel::sequence(fd, Way::kSend, keys_->send.cipher);
  keys_->send_secret = next(keys_->digest, keys_->send_secret);
  derive(keys_->digest, keys_->send_secret, keys_->send);
  keys_->send.sequence = 0;
  if (sent < 0 || kernel::set_keys(fd, Way::kSend, keys_->send) < 0) return EKEYEXPIRED;
  reckoned_ += records(static_cast<uint64_t>(sent));
  return 0;
}

long KernelSession::say(uint8_t type, std::span<const uint8_t> bytes) {
  const long sent = kernel::send(stream_->fd(), type, bytes);
  if (sent > 0) reckoned_ += sent;
  return sent;
}

loop::Moved KernelSession::write(std::span<const uint8_t> from) {
  if (writer_) return writer_->write(from);
  const loop::Moved moved = stream_->write_socket(from);
  if (moved.bytes()) reckoned_ += moved.count;
  return moved;
}

bool KernelSession::shutdown_write() {
  if (writer_) return writer_->shutdown_write();
  if (!closing_) {
    constexpr std::array<uint8_t, kAlertBytes> kCloseNotify = {SSL3_AL_WARNING,
                                                               SSL3_AD_CLOSE_NOTIFY};
    if (say(SSL3_RT_ALERT, kCloseNotify) == -EAGAIN) return false;
    closing_ = true;
  }
  // A FIN would overtake what the kernel has still to pass on. The peer knows of the end, and the
  // FIN comes with the close.
  if (!finished_ && unsent() == 0) {
    finished_ = true;
    sys::calls::shutdown(stream_->fd(), SHUT_WR);
  }
  return true;
}

long KernelSession::unsent() const {
  if (writer_) return writer_->unsent();
  if (finished_) return 0;
  const auto sent = kernel::sequence(stream_->fd(), Way::kSend, keys_->send.cipher);
  const auto taken = kernel::taken(stream_->fd());
  if (sent < 0 || taken < 0) return 0;
  return std::max<long>(reckoned_ + records(static_cast<uint64_t>(sent)) - taken, 0);
}

HandedOver hand_over(loop::Stream& stream, KernelOffer& offer, std::vector<uint8_t>& early) {
  auto& session = static_cast<Session&>(*stream.transport());
  const auto cipher = session.kernel_cipher();
  if (!cipher || !offer.stands(*cipher)) return {};
  const auto from = session.conclude(early);
  if (!from) return {};
  const int fd = stream.fd();
  if (const int error = -kernel::prepare(fd); error != 0) {
    return {.refused = !passing(error) && offer.withdraw() ? error : 0};
  }
  HandedOver out;
  const auto refused = [&](int error) {
    out.refused = !passing(error) && offer.withdraw(*cipher) ? error : 0;
  };
  // In this order, since of the two directions a Session can go on with the second alone: to write
  // it need not have read.
  if (const int error = -kernel::set_keys(fd, Way::kReceive, from->receive); error != 0) {
    refused(error);
    return out;
  }
  const auto taken = kernel::taken(fd);
  auto error = static_cast<int>(
      -std::min<int64_t>({kernel::sequence(fd, Way::kReceive, *cipher), taken, 0}));
  if (error == 0) error = -kernel::set_keys(fd, Way::kSend, from->send);
  out.done = error == 0;
  if (!out.done) refused(error);
  auto writer = out.done ? nullptr : stream.take_off();
  stream.put_on(std::make_unique<KernelSession>(stream, *from, taken, std::move(writer)));
  return out;
}

}  // namespace penstock::tls
