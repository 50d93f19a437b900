#include "faked_kernel.h"

#include <linux/tcp.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <span>
#include <utility>

namespace penstock::faked {

Kernel& kernel() {
  static Kernel only;
  return only;
}

namespace {

using sys::kernel_tls::Cipher;
using sys::kernel_tls::Keys;
using sys::kernel_tls::Version;

constexpr int kSolTls = 282;
constexpr size_t kHeader = 5, kTag = 16, kContentMax = 16384;

struct Record {
  uint8_t type;
  std::vector<uint8_t> content;
};

bool has_explicit_nonce(const Keys& keys) {
  return keys.version == Version::kTls12 && keys.cipher != Cipher::kChaCha20Poly1305;
}

const EVP_CIPHER* aead(Cipher cipher) {
  if (cipher == Cipher::kAes128Gcm) return EVP_aes_128_gcm();
  return cipher == Cipher::kAes256Gcm ? EVP_aes_256_gcm() : EVP_chacha20_poly1305();
}

void put(std::vector<uint8_t>& to, uint64_t number, int bytes) {
  while (bytes-- > 0) to.push_back(static_cast<uint8_t>(number >> (8 * bytes)));
}

std::array<uint8_t, 12> nonce_of(const Keys& keys) {
  auto nonce = keys.nonce;
  if (has_explicit_nonce(keys)) return nonce;
  for (size_t i = 0; i < 8; ++i)
    nonce[4 + i] ^= static_cast<uint8_t>(keys.sequence >> (56 - 8 * i));
  return nonce;
}

std::vector<uint8_t> header_of(const Keys& keys, uint8_t type, size_t sealed) {
  std::vector<uint8_t> header = {keys.version == Version::kTls13 ? uint8_t{23} : type, 3, 3};
  put(header, sealed, 2);
  return header;
}

std::vector<uint8_t> additional(const Keys& keys, std::span<const uint8_t> header, size_t content) {
  if (keys.version == Version::kTls13) return {header.begin(), header.end()};
  std::vector<uint8_t> out;
  put(out, keys.sequence, 8);
  out.insert(out.end(), header.begin(), header.begin() + 3);
  put(out, content, 2);
  return out;
}

// `text` becomes what the other side of it is. False: it was tampered with.
bool crypt(bool seal, const Keys& keys, std::span<const uint8_t, 12> nonce,
           std::span<const uint8_t> additional, std::span<uint8_t> text, uint8_t* tag) {
  EVP_CIPHER_CTX* const context = EVP_CIPHER_CTX_new();
  int moved = 0;
  EVP_CipherInit_ex(context, aead(keys.cipher), nullptr, keys.key.data(), nonce.data(), seal);
  if (!seal) EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, kTag, tag);
  EVP_CipherUpdate(context, nullptr, &moved, additional.data(),
                   static_cast<int>(additional.size()));
  EVP_CipherUpdate(context, text.data(), &moved, text.data(), static_cast<int>(text.size()));
  std::array<uint8_t, 16> rest;
  const bool good = EVP_CipherFinal_ex(context, rest.data(), &moved) == 1;
  if (seal) EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, kTag, tag);
  EVP_CIPHER_CTX_free(context);
  return good;
}

void advance(Keys& keys) {
  ++keys.sequence;
  if (!has_explicit_nonce(keys)) return;
  for (size_t i = keys.nonce.size(); i-- > 4 && ++keys.nonce[i] == 0;) {
  }
}

std::vector<uint8_t> seal(Keys& keys, uint8_t type, std::span<const uint8_t> content) {
  std::vector<uint8_t> text(content.begin(), content.end());
  if (keys.version == Version::kTls13) text.push_back(type);
  const size_t explicit_bytes = has_explicit_nonce(keys) ? 8 : 0;
  auto out = header_of(keys, type, explicit_bytes + text.size() + kTag);
  const auto nonce = nonce_of(keys);
  const auto aad = additional(keys, out, content.size());
  out.insert(out.end(), nonce.end() - static_cast<ptrdiff_t>(explicit_bytes), nonce.end());
  std::array<uint8_t, kTag> tag;
  crypt(true, keys, nonce, aad, text, tag.data());
  out.insert(out.end(), text.begin(), text.end());
  out.insert(out.end(), tag.begin(), tag.end());
  advance(keys);
  return out;
}

std::optional<Record> open(Keys& keys, std::span<uint8_t> record) {
  const auto header = record.first(kHeader);
  auto body = record.subspan(kHeader);
  auto nonce = nonce_of(keys);
  if (has_explicit_nonce(keys)) {
    std::copy_n(body.begin(), 8, nonce.begin() + 4);
    body = body.subspan(8);
  }
  const auto text = body.first(body.size() - kTag);
  const auto aad = additional(keys, header, text.size());
  if (!crypt(false, keys, nonce, aad, text, body.last(kTag).data())) return std::nullopt;
  advance(keys);
  Record out{header[0], {text.begin(), text.end()}};
  if (keys.version == Version::kTls13) {
    while (!out.content.empty() && out.content.back() == 0) out.content.pop_back();  // padding
    out.type = out.content.back();
    out.content.pop_back();
  }
  return out;
}

Direction* direction(int fd, int way) {
  const auto socket = kernel().sockets.find(fd);
  if (socket == kernel().sockets.end()) return nullptr;
  const auto found = socket->second.directions.find(way);
  return found == socket->second.directions.end() ? nullptr : &found->second;
}

int fails(int error) {
  errno = error;
  return -1;
}

}  // namespace
}  // namespace penstock::faked

using namespace penstock;  // NOLINT: what follows has C's names
using faked::kernel;

extern "C" {
int __real_setsockopt(int fd, int level, int option, const void* value, socklen_t length);
int __real_getsockopt(int fd, int level, int option, void* value, socklen_t* length);
ssize_t __real_send(int fd, const void* buffer, size_t length, int flags);
}

namespace penstock::faked {
namespace {

template <class Info>
Keys read_keys(const void* value) {
  Info info;
  std::memcpy(&info, value, sizeof(info));
  Keys out;
  out.version = static_cast<Version>(info.info.version);
  out.cipher = static_cast<Cipher>(info.info.cipher_type);
  std::copy_n(info.key, sizeof(info.key), out.key.begin());
  std::copy_n(info.salt, sizeof(info.salt), out.nonce.begin());
  std::copy_n(info.iv, sizeof(info.iv), out.nonce.begin() + sizeof(info.salt));
  for (const uint8_t byte : info.rec_seq) out.sequence = out.sequence << 8 | byte;
  return out;
}

template <class Info>
void write_sequence(void* value, uint64_t sequence) {
  Info info{};
  for (size_t i = 0; i < 8; ++i) info.rec_seq[i] = static_cast<uint8_t>(sequence >> (56 - 8 * i));
  std::memcpy(value, &info, sizeof(info));
}

int take_keys(int fd, int way, const void* value, socklen_t length) {
  const int refused = way == TLS_RX ? kernel().refuses_receiving : kernel().refuses_sending;
  if (refused != 0) return fails(refused);
  if (!kernel().sockets[fd].prepared) return fails(ENOPROTOOPT);
  if (direction(fd, way) && !kernel().takes_new_keys) return fails(EBUSY);
  tls_crypto_info info;
  std::memcpy(&info, value, sizeof(info));
  Keys keys;
  if (info.cipher_type == TLS_CIPHER_AES_GCM_128 &&
      length == sizeof(tls12_crypto_info_aes_gcm_128)) {
    keys = read_keys<tls12_crypto_info_aes_gcm_128>(value);
  } else if (info.cipher_type == TLS_CIPHER_AES_GCM_256 &&
             length == sizeof(tls12_crypto_info_aes_gcm_256)) {
    keys = read_keys<tls12_crypto_info_aes_gcm_256>(value);
  } else if (info.cipher_type == TLS_CIPHER_CHACHA20_POLY1305 &&
             length == sizeof(tls12_crypto_info_chacha20_poly1305)) {
    keys = read_keys<tls12_crypto_info_chacha20_poly1305>(value);
  } else {
    return fails(EINVAL);
  }
  kernel().sockets[fd].directions[way] = {keys, keys.sequence};
  return 0;
}

int say_sequence(int fd, int way, void* value, const socklen_t* length) {
  const Direction* const found = direction(fd, way);
  if (!found) return fails(EBUSY);
  if (*length == sizeof(tls12_crypto_info_aes_gcm_128)) {
    write_sequence<tls12_crypto_info_aes_gcm_128>(value, found->keys.sequence);
  } else if (*length == sizeof(tls12_crypto_info_aes_gcm_256)) {
    write_sequence<tls12_crypto_info_aes_gcm_256>(value, found->keys.sequence);
  } else {
    write_sequence<tls12_crypto_info_chacha20_poly1305>(value, found->keys.sequence);
  }
  return 0;
}

// A record as it is, or -1 with errno; no content and no type: the end.
std::optional<Record> take_record(int fd, bool* ended) {
  auto& arrived = kernel().sockets[fd].arrived;
  *ended = false;
  if (auto& rest = kernel().sockets[fd].rest; !rest.empty()) {
    return Record{kernel().sockets[fd].type_of_rest, std::exchange(rest, {})};
  }
  for (;;) {
    const size_t size =
        arrived.size() < kHeader ? SIZE_MAX : kHeader + (arrived[3] << 8 | arrived[4]);
    if (arrived.size() >= size) {
      auto record = open(direction(fd, TLS_RX)->keys, std::span(arrived).first(size));
      arrived.erase(arrived.begin(), arrived.begin() + static_cast<ptrdiff_t>(size));
      if (!record) errno = EBADMSG;
      return record;
    }
    std::array<uint8_t, 65536> buffer;
    const ssize_t got = ::recv(fd, buffer.data(), buffer.size(), 0);
    *ended = got == 0;
    if (got <= 0) return std::nullopt;
    arrived.insert(arrived.end(), buffer.begin(), buffer.begin() + got);
  }
}

ssize_t send_records(int fd, uint8_t type, std::span<const uint8_t> bytes) {
  auto& held_back = kernel().sockets[fd].held_back;
  for (auto left = bytes; !left.empty();) {
    const auto content = left.first(std::min(left.size(), kContentMax));
    const auto record = seal(direction(fd, TLS_TX)->keys, type, content);
    held_back.insert(held_back.end(), record.begin(), record.end());
    left = left.subspan(content.size());
  }
  if (!kernel().holds_back) pass_on(fd);
  return static_cast<ssize_t>(bytes.size());
}

}  // namespace

void pass_on(int fd) {
  auto& held_back = kernel().sockets[fd].held_back;
  while (!held_back.empty()) {
    const ssize_t sent = ::__real_send(fd, held_back.data(), held_back.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    held_back.erase(held_back.begin(), held_back.begin() + sent);
  }
}

}  // namespace penstock::faked

extern "C" {

int __wrap_setsockopt(int fd, int level, int option, const void* value, socklen_t length) {
  if (level == IPPROTO_TCP && option == TCP_ULP) {
    ++kernel().asked;
    if (kernel().refuses_tls != 0) return faked::fails(kernel().refuses_tls);
    kernel().sockets[fd].prepared = true;
    return 0;
  }
  if (level == faked::kSolTls) return faked::take_keys(fd, option, value, length);
  return __real_setsockopt(fd, level, option, value, length);
}

int __wrap_getsockopt(int fd, int level, int option, void* value, socklen_t* length) {
  if (level == faked::kSolTls) return faked::say_sequence(fd, option, value, length);
  return __real_getsockopt(fd, level, option, value, length);
}

ssize_t __wrap_recvmsg(int fd, msghdr* message, int) {
  bool ended = false;
  auto record = faked::take_record(fd, &ended);
  if (!record) {
    message->msg_controllen = 0;
    return ended ? 0 : -1;
  }
  cmsghdr* const control = CMSG_FIRSTHDR(message);
  control->cmsg_level = faked::kSolTls;
  control->cmsg_type = TLS_GET_RECORD_TYPE;
  control->cmsg_len = CMSG_LEN(1);
  *CMSG_DATA(control) = record->type;
  const size_t size = std::min(message->msg_iov[0].iov_len, record->content.size());
  std::copy_n(record->content.begin(), size, static_cast<uint8_t*>(message->msg_iov[0].iov_base));
  auto& rest = kernel().sockets[fd].rest;
  rest.assign(record->content.begin() + static_cast<ptrdiff_t>(size), record->content.end());
  kernel().sockets[fd].type_of_rest = record->type;
  return static_cast<ssize_t>(size);
}

ssize_t __wrap_sendmsg(int fd, const msghdr* message, int) {
  // SAFETY: the control message of a sender is only read.
  const cmsghdr* const control = CMSG_FIRSTHDR(const_cast<msghdr*>(message));
  return faked::send_records(
      fd, *CMSG_DATA(control),
      {static_cast<const uint8_t*>(message->msg_iov[0].iov_base), message->msg_iov[0].iov_len});
}

ssize_t __wrap_send(int fd, const void* buffer, size_t length, int flags) {
  if (!faked::direction(fd, TLS_TX)) return __real_send(fd, buffer, length, flags);
  return faked::send_records(fd, 23, {static_cast<const uint8_t*>(buffer), length});
}

}  // extern "C"
