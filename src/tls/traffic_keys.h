// From the secrets of a handshake to what its records are made with: the key schedules of TLS 1.3
// (RFC 8446 sections 7.2 and 7.3) and TLS 1.2 (RFC 5246 section 6.3).
// Cost: two HMACs per direction of TLS 1.3, about ten for both of TLS 1.2.
#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "sys/kernel_tls.h"

namespace penstock::tls {

using sys::kernel_tls::Keys;

inline constexpr size_t kSecretBytesMax = 48;  // SHA-384's

// A traffic secret of TLS 1.3. Wiped when it goes, copies as well.
struct TrafficSecret {
  TrafficSecret() = default;
  TrafficSecret(const TrafficSecret&) = default;
  TrafficSecret& operator=(const TrafficSecret&) = default;
  ~TrafficSecret();

  std::span<const uint8_t> view() const { return {bytes.data(), size}; }

  std::array<uint8_t, kSecretBytesMax> bytes{};
  uint8_t size = 0;
};

// What the kernel calls the cipher; nothing: it knows none like it.
std::optional<sys::kernel_tls::Cipher> kernel_cipher(const SSL_CIPHER* cipher);
size_t key_bytes(sys::kernel_tls::Cipher cipher);

// HKDF-Expand-Label without a context, of at most as many bytes as `digest` has.
void expand_label(const EVP_MD* digest, std::span<const uint8_t> secret, std::string_view label,
                  std::span<uint8_t> out);
// Of TLS 1.3, with `cipher` and `sequence` as they are in `out`.
void derive(const EVP_MD* digest, const TrafficSecret& secret, Keys& out);
// What follows it after a KeyUpdate.
TrafficSecret next(const EVP_MD* digest, const TrafficSecret& secret);

// The pseudo-random function of TLS 1.2, of `seed` behind `label`.
void prf(const EVP_MD* digest, std::span<const uint8_t> secret, std::string_view label,
         std::span<const uint8_t> seed, std::span<uint8_t> out);
// Of TLS 1.2, for both directions, with `cipher` and `sequence` as they are; AES-GCM's explicit
// nonces go on from what is there.
void derive(const EVP_MD* digest, std::span<const uint8_t> master,
            std::span<const uint8_t> client_random, std::span<const uint8_t> server_random,
            Keys& of_client, Keys& of_server);

}  // namespace penstock::tls
