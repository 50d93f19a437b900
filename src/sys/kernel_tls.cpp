#include "sys/kernel_tls.h"

// linux/tcp.h rather than netinet/tcp.h: glibc's tcp_info stops before tcpi_bytes_acked.
#include <linux/tcp.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "sys/calls.h"

#ifndef SOL_TLS
#define SOL_TLS 282
#endif

namespace penstock::sys::kernel_tls {
namespace {

static_assert(static_cast<int>(Version::kTls12) == TLS_1_2_VERSION);
static_assert(static_cast<int>(Version::kTls13) == TLS_1_3_VERSION);
static_assert(static_cast<int>(Cipher::kAes128Gcm) == TLS_CIPHER_AES_GCM_128);
static_assert(static_cast<int>(Cipher::kAes256Gcm) == TLS_CIPHER_AES_GCM_256);
static_assert(static_cast<int>(Cipher::kChaCha20Poly1305) == TLS_CIPHER_CHACHA20_POLY1305);
static_assert(static_cast<int>(Way::kSend) == TLS_TX);
static_assert(static_cast<int>(Way::kReceive) == TLS_RX);

// What the kernel takes for one cipher; wiped when it goes.
template <class Info>
struct Wiped {
  Info info{};
  ~Wiped() { ::explicit_bzero(&info, sizeof(info)); }
};

template <class Info>
int hand_in(int fd, Way way, const Keys& keys) {
  Wiped<Info> wiped;
  Info& info = wiped.info;
  info.info.version = static_cast<uint16_t>(keys.version);
  info.info.cipher_type = static_cast<uint16_t>(keys.cipher);
  std::copy_n(keys.key.begin(), sizeof(info.key), info.key);
  std::copy_n(keys.nonce.begin(), sizeof(info.salt), info.salt);
  std::copy_n(keys.nonce.begin() + sizeof(info.salt), sizeof(info.iv), info.iv);
  static_assert(sizeof(info.rec_seq) == sizeof(keys.sequence));
  for (size_t i = 0; i < sizeof(info.rec_seq); ++i) {
    info.rec_seq[i] = static_cast<unsigned char>(keys.sequence >> (56 - 8 * i));
  }
  return calls::setsockopt(fd, SOL_TLS, static_cast<int>(way), &info, sizeof(info));
}

template <class Info>
int64_t ask_sequence(int fd, Way way) {
  Wiped<Info> wiped;
  socklen_t length = sizeof(Info);
  const int error = calls::getsockopt(fd, SOL_TLS, static_cast<int>(way), &wiped.info, &length);
  if (error < 0) return error;
  uint64_t sequence = 0;
  for (const unsigned char byte : wiped.info.rec_seq) sequence = sequence << 8 | byte;
  return static_cast<int64_t>(sequence & INT64_MAX);
}

// The type of a record goes beside its bytes.
union Control {
  cmsghdr header;
  char bytes[CMSG_SPACE(sizeof(uint8_t))];
};

}  // namespace

Keys::~Keys() {
  ::explicit_bzero(key.data(), key.size());
  ::explicit_bzero(nonce.data(), nonce.size());
}

int prepare(int fd) {
  return calls::setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls") - 1);
}

int set_keys(int fd, Way way, const Keys& keys) {
  switch (keys.cipher) {
    case Cipher::kAes128Gcm: return hand_in<tls12_crypto_info_aes_gcm_128>(fd, way, keys);
    case Cipher::kAes256Gcm: return hand_in<tls12_crypto_info_aes_gcm_256>(fd, way, keys);
    case Cipher::kChaCha20Poly1305:
      return hand_in<tls12_crypto_info_chacha20_poly1305>(fd, way, keys);
  }
  return -EINVAL;
}

int64_t sequence(int fd, Way way, Cipher cipher) {
  switch (cipher) {
    case Cipher::kAes128Gcm: return ask_sequence<tls12_crypto_info_aes_gcm_128>(fd, way);
    case Cipher::kAes256Gcm: return ask_sequence<tls12_crypto_info_aes_gcm_256>(fd, way);
    case Cipher::kChaCha20Poly1305:
      return ask_sequence<tls12_crypto_info_chacha20_poly1305>(fd, way);
  }
  return -EINVAL;
}

Received receive(int fd, std::span<uint8_t> into) {
  Control control{};
  iovec piece{into.data(), into.size()};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes;
  message.msg_controllen = sizeof(control.bytes);
  const long count = calls::recvmsg(fd, &message);
  if (count < 0) return {count, std::nullopt};
  const cmsghdr* const said = CMSG_FIRSTHDR(&message);
  if (!said) return {count == 0 ? 0 : -EPROTO, std::nullopt};
  if (said->cmsg_level != SOL_TLS || said->cmsg_type != TLS_GET_RECORD_TYPE) {
    return {-EPROTO, std::nullopt};
  }
  return {count, *CMSG_DATA(said)};
}

long send(int fd, uint8_t type, std::span<const uint8_t> bytes) {
  Control control{};
  control.header.cmsg_level = SOL_TLS;
  control.header.cmsg_type = TLS_SET_RECORD_TYPE;
  control.header.cmsg_len = CMSG_LEN(sizeof(type));
  *CMSG_DATA(&control.header) = type;
  // SAFETY: sendmsg() reads what recvmsg() would write to.
  iovec piece{const_cast<uint8_t*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes;
  message.msg_controllen = control.header.cmsg_len;
  return calls::sendmsg(fd, &message);
}

int64_t taken(int fd) {
  tcp_info info{};
  socklen_t length = sizeof(info);
  const int error = calls::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length);
  if (error < 0) return error;
  const int unsent = calls::unsent(fd);
  if (unsent < 0) return unsent;
  return static_cast<int64_t>(info.tcpi_bytes_acked) + unsent;
}

}  // namespace penstock::sys::kernel_tls
