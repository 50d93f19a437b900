#include "tls/self_signed.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>

#include "base/check.h"

namespace penstock::tls {
namespace {

struct FreeKey {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
struct FreeCertificate {
  void operator()(X509* certificate) const { X509_free(certificate); }
};

}  // namespace

void certify_itself(SSL_CTX* context, const char* name) {
  const std::unique_ptr<EVP_PKEY, FreeKey> key(EVP_EC_gen("P-256"));
  const std::unique_ptr<X509, FreeCertificate> certificate(X509_new());
  PENSTOCK_CHECK(key && certificate);
  constexpr long kDay = 24 * 60 * 60;
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -kDay);  // clocks differ
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 365 * kDay);
  X509_set_pubkey(certificate.get(), key.get());
  X509_NAME* const subject = X509_get_subject_name(certificate.get());
  // SAFETY: OpenSSL wants unsigned chars, and chars are bytes.
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name), -1, -1, 0);
  X509_set_issuer_name(certificate.get(), subject);
  PENSTOCK_CHECK(X509_sign(certificate.get(), key.get(), EVP_sha256()) > 0);
  PENSTOCK_CHECK(SSL_CTX_use_certificate(context, certificate.get()) == 1);
  PENSTOCK_CHECK(SSL_CTX_use_PrivateKey(context, key.get()) == 1);
}

}  // namespace penstock::tls
