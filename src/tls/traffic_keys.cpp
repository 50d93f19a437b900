#include "tls/traffic_keys.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/check.h"

namespace penstock::tls {
namespace {

using sys::kernel_tls::Cipher;
using sys::kernel_tls::Version;

// Of AES-GCM of TLS 1.2: what comes from the handshake of a nonce (RFC 5288 section 3).
constexpr size_t kImplicitNonceBytes = 4;

struct Digest {
  std::array<uint8_t, EVP_MAX_MD_SIZE> bytes;
  unsigned int size = 0;

  ~Digest() { OPENSSL_cleanse(bytes.data(), bytes.size()); }
  std::span<const uint8_t> view() const { return {bytes.data(), size}; }
};

void hmac(const EVP_MD* digest, std::span<const uint8_t> key, std::span<const uint8_t> of,
          Digest& out) {
  PENSTOCK_CHECK(HMAC(digest, key.data(), static_cast<int>(key.size()), of.data(), of.size(),
                      out.bytes.data(), &out.size) != nullptr);
}

void append(std::vector<uint8_t>& to, std::span<const uint8_t> bytes) {
  to.insert(to.end(), bytes.begin(), bytes.end());
}
void append(std::vector<uint8_t>& to, std::string_view text) {
  to.insert(to.end(), text.begin(), text.end());
}

size_t implicit_nonce_bytes(const Keys& keys) {
  return keys.cipher == Cipher::kChaCha20Poly1305 ? keys.nonce.size() : kImplicitNonceBytes;
}

}  // namespace

TrafficSecret::~TrafficSecret() {
  OPENSSL_cleanse(bytes.data(), bytes.size());
}

std::optional<Cipher> kernel_cipher(const SSL_CIPHER* cipher) {
  switch (cipher ? SSL_CIPHER_get_cipher_nid(cipher) : NID_undef) {
    case NID_aes_128_gcm: return Cipher::kAes128Gcm;
    case NID_aes_256_gcm: return Cipher::kAes256Gcm;
    case NID_chacha20_poly1305: return Cipher::kChaCha20Poly1305;
    default: return std::nullopt;
  }
}

size_t key_bytes(Cipher cipher) {
  return cipher == Cipher::kAes128Gcm ? 16 : 32;
}

void expand_label(const EVP_MD* digest, std::span<const uint8_t> secret, std::string_view label,
                  std::span<uint8_t> out) {
  constexpr std::string_view kPrefix = "tls13 ";
  std::vector<uint8_t> info = {0, static_cast<uint8_t>(out.size()),
                               static_cast<uint8_t>(kPrefix.size() + label.size())};
  append(info, kPrefix);
  append(info, label);
  info.push_back(0);  // no context
  info.push_back(1);  // HKDF-Expand's first block, and its only one
  Digest block;
  hmac(digest, secret, info, block);
  PENSTOCK_CHECK(out.size() <= block.size);
  std::copy_n(block.bytes.begin(), out.size(), out.begin());
}

void derive(const EVP_MD* digest, const TrafficSecret& secret, Keys& out) {
  out.version = Version::kTls13;
  expand_label(digest, secret.view(), "key", std::span(out.key).first(key_bytes(out.cipher)));
  expand_label(digest, secret.view(), "iv", out.nonce);
}

TrafficSecret next(const EVP_MD* digest, const TrafficSecret& secret) {
  TrafficSecret out;
  out.size = secret.size;
  expand_label(digest, secret.view(), "traffic upd", std::span(out.bytes).first(out.size));
  return out;
}

void prf(const EVP_MD* digest, std::span<const uint8_t> secret, std::string_view label,
         std::span<const uint8_t> seed, std::span<uint8_t> out) {
  std::vector<uint8_t> whole_seed;
  append(whole_seed, label);
  append(whole_seed, seed);
  Digest a;
  hmac(digest, secret, whole_seed, a);
  while (!out.empty()) {
    std::vector<uint8_t> input(a.view().begin(), a.view().end());
    append(input, whole_seed);
    Digest block;
    hmac(digest, secret, input, block);
    const size_t part = std::min<size_t>(out.size(), block.size);
    std::copy_n(block.bytes.begin(), part, out.begin());
    out = out.subspan(part);
    Digest following;
    hmac(digest, secret, a.view(), following);
    a = following;
  }
}

void derive(const EVP_MD* digest, std::span<const uint8_t> master,
            std::span<const uint8_t> client_random, std::span<const uint8_t> server_random,
            Keys& of_client, Keys& of_server) {
  std::vector<uint8_t> seed(server_random.begin(), server_random.end());
  append(seed, client_random);
  const size_t key_size = key_bytes(of_client.cipher);
  const size_t nonce_size = implicit_nonce_bytes(of_client);
  std::array<uint8_t, 2 * (sizeof(Keys::key) + sizeof(Keys::nonce))> block;
  prf(digest, master, "key expansion", seed, std::span(block).first(2 * (key_size + nonce_size)));
  const uint8_t* at = block.data();
  for (Keys* keys : {&of_client, &of_server}) {
    keys->version = Version::kTls12;
    std::copy_n(at, key_size, keys->key.begin());
    at += key_size;
  }
  for (Keys* keys : {&of_client, &of_server}) {
    std::copy_n(at, nonce_size, keys->nonce.begin());
    at += nonce_size;
  }
  OPENSSL_cleanse(block.data(), block.size());
}

}  // namespace penstock::tls
