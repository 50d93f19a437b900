#include "tls/ticket_keys.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace penstock::tls {
namespace {

// Of SSL_CTX, for the TicketKeys that it seals with.
int place_of_keys() {
  static const int kPlace = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return kPlace;
}

// Looked up once: OpenSSL 3 would search its providers for it at each ticket.
const EVP_CIPHER* ticket_cipher() {
  static EVP_CIPHER* const kCipher = EVP_CIPHER_fetch(nullptr, "AES-256-CBC", nullptr);
  return kCipher;
}

bool start_mac(EVP_MAC_CTX* mac, TicketKey& key) {
  char digest[] = "SHA256";
  const std::array<OSSL_PARAM, 3> settings = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key.mac.data(), key.mac.size()),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
      OSSL_PARAM_construct_end()};
  return EVP_MAC_CTX_set_params(mac, settings.data()) == 1;
}

int seal(TicketKeys& keys, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
         EVP_MAC_CTX* mac) {
  TicketKey key = keys.newest(Clock::now());
  std::ranges::copy(key.name, name);
  const bool good =
      RAND_bytes(iv, EVP_CIPHER_get_iv_length(ticket_cipher())) == 1 &&
      EVP_EncryptInit_ex2(cipher, ticket_cipher(), key.cipher.data(), iv, nullptr) == 1 &&
      start_mac(mac, key);
  OPENSSL_cleanse(&key, sizeof(key));
  return good ? 1 : -1;
}

// 0: not ours, or too old, and the handshake is a full one; 2: opened, and the client gets another.
int open(TicketKeys& keys, const unsigned char* name, const unsigned char* iv,
         EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac) {
  bool renew = false;
  auto key = keys.find(std::span<const uint8_t, 16>(name, 16), Clock::now(), &renew);
  if (!key) return 0;
  const bool good =
      EVP_DecryptInit_ex2(cipher, ticket_cipher(), key->cipher.data(), iv, nullptr) == 1 &&
      start_mac(mac, *key);
  OPENSSL_cleanse(&*key, sizeof(*key));
  if (!good) return -1;
  return renew ? 2 : 1;
}

int on_ticket(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
              EVP_MAC_CTX* mac, int sealing) {
  auto& keys =
      *static_cast<TicketKeys*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), place_of_keys()));
  return sealing != 0 ? seal(keys, name, iv, cipher, mac) : open(keys, name, iv, cipher, mac);
}

// A ticket brings its client's certificate along, and nobody else looks at that again.
SSL_TICKET_RETURN on_opened(SSL*, SSL_SESSION* session, const unsigned char*, size_t,
                            SSL_TICKET_STATUS status, void*) {
  if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW) {
    return status == SSL_TICKET_EMPTY || status == SSL_TICKET_NO_DECRYPT
               ? SSL_TICKET_RETURN_IGNORE_RENEW
               : SSL_TICKET_RETURN_ABORT;
  }
  const X509* const certificate = SSL_SESSION_get0_peer(session);
  if (certificate && X509_cmp_current_time(X509_get0_notAfter(certificate)) <= 0) {
    return SSL_TICKET_RETURN_IGNORE_RENEW;
  }
  return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

}  // namespace

TicketKeys::~TicketKeys() {
  OPENSSL_cleanse(keys_.data(), sizeof(keys_));
}

void TicketKeys::rotate(Instant now) {
  if (keys_[0].exists && now < keys_[0].made + kSeals) return;
  keys_[1] = keys_[0];
  Dated& fresh = keys_[0];
  for (const std::span<uint8_t> part :
       {std::span<uint8_t>(fresh.key.name), std::span<uint8_t>(fresh.key.cipher),
        std::span<uint8_t>(fresh.key.mac)}) {
    PENSTOCK_CHECK(RAND_bytes(part.data(), static_cast<int>(part.size())) == 1);
  }
  fresh.made = now;
  fresh.exists = true;
}

TicketKey TicketKeys::newest(Instant now) {
  const std::scoped_lock lock(mutex_);
  rotate(now);
  return keys_[0].key;
}

std::optional<TicketKey> TicketKeys::find(std::span<const uint8_t, 16> name, Instant now,
                                          bool* renew) {
  const std::scoped_lock lock(mutex_);
  rotate(now);
  for (const Dated& dated : keys_) {
    if (!dated.exists || !std::ranges::equal(dated.key.name, name)) continue;
    if (now >= dated.made + kOpens) return std::nullopt;
    *renew = &dated != keys_.data();
    return dated.key;
  }
  return std::nullopt;
}

void seal_tickets(SSL_CTX* context, TicketKeys& keys) {
  PENSTOCK_CHECK(ticket_cipher());
  PENSTOCK_CHECK(SSL_CTX_set_ex_data(context, place_of_keys(), &keys) == 1);
  SSL_CTX_set_tlsext_ticket_key_evp_cb(context, on_ticket);
  SSL_CTX_set_session_ticket_cb(context, nullptr, on_opened, nullptr);
  constexpr auto kAge = std::chrono::duration_cast<std::chrono::seconds>(TicketKeys::kOpens);
  SSL_CTX_set_timeout(context, kAge.count());
}

}  // namespace penstock::tls
