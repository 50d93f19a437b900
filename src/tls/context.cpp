#include "tls/context.h"

#include <openssl/err.h>

#include "base/check.h"

namespace penstock::tls {
namespace {

// Everybody of the last ten years has these, and AES-128 costs less than AES-256.
constexpr const char* kCiphers12 = "ECDHE+AESGCM:ECDHE+CHACHA20";
constexpr const char* kCiphers13 =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
// Post-quantum first where OpenSSL has it (3.5).
constexpr const char* kGroups = "X25519MLKEM768:X25519:P-256:P-384";
constexpr const char* kGroupsBefore35 = "X25519:P-256:P-384";

}  // namespace

OwnedContext new_context(const SSL_METHOD* method) {
  OwnedContext out(SSL_CTX_new(method));
  PENSTOCK_CHECK(out);
  SSL_CTX* const context = out.get();
  PENSTOCK_CHECK(SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1);
  PENSTOCK_CHECK(SSL_CTX_set_cipher_list(context, kCiphers12) == 1);
  PENSTOCK_CHECK(SSL_CTX_set_ciphersuites(context, kCiphers13) == 1);
  if (SSL_CTX_set1_groups_list(context, kGroups) != 1) {
    PENSTOCK_CHECK(SSL_CTX_set1_groups_list(context, kGroupsBefore35) == 1);
    ERR_clear_error();
  }
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  // An idle session holds no buffer, and a write that has to wait may come from another one.
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(context, 1);  // not five bytes, and then the record
  SSL_CTX_set_max_cert_list(context, kCertificateBytesMax);
  return out;
}

bool show(SSL_CTX* context, const OwnedCertificate& certificate,
          const std::vector<OwnedCertificate>& chain, const OwnedKey& key, std::string* why_not) {
  bool good = SSL_CTX_use_certificate(context, certificate.get()) == 1;
  for (const OwnedCertificate& issuer : chain) {
    good = good && SSL_CTX_add1_chain_cert(context, issuer.get()) == 1;
  }
  if (!good || SSL_CTX_use_PrivateKey(context, key.get()) != 1) {
    const char* const text = ERR_reason_error_string(ERR_peek_last_error());
    ERR_clear_error();
    *why_not = text ? text : "OpenSSL does not say why";
    return false;
  }
  SSL_CTX_set_mode(context, SSL_MODE_NO_AUTO_CHAIN);
  return true;
}

void trust(SSL_CTX* context, const std::vector<OwnedCertificate>& issuers) {
  SSL_CTX_set_verify_depth(context, kChainLengthMax);
  X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_PARTIAL_CHAIN);
  X509_STORE* const store = SSL_CTX_get_cert_store(context);
  for (const OwnedCertificate& issuer : issuers) X509_STORE_add_cert(store, issuer.get());
  ERR_clear_error();
}

}  // namespace penstock::tls
