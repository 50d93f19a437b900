#include "bump/form.h"

#include <openssl/x509v3.h>

#include <algorithm>
#include <string_view>

#include "base/check.h"

namespace penstock::bump {
namespace {

OwnedExtension extension(const X509* issuer, int nid, const char* value) {
  X509V3_CTX context;
  // SAFETY: it is read only.
  X509V3_set_ctx(&context, const_cast<X509*>(issuer), nullptr, nullptr, nullptr, 0);
  OwnedExtension out(X509V3_EXT_conf_nid(nullptr, &context, nid, value));
  PENSTOCK_CHECK(out);
  return out;
}

}  // namespace

std::vector<OwnedExtension> fixed_extensions(const X509* issuer) {
  std::vector<OwnedExtension> out;
  out.push_back(extension(issuer, NID_basic_constraints, "critical,CA:FALSE"));
  out.push_back(extension(issuer, NID_key_usage, "critical,digitalSignature"));
  out.push_back(extension(issuer, NID_ext_key_usage, "serverAuth"));
  // SAFETY: a getter.
  if (issuer && X509_get0_subject_key_id(const_cast<X509*>(issuer))) {
    out.push_back(extension(issuer, NID_authority_key_identifier, "keyid"));
  }
  return out;
}

bool set_algorithm(X509_ALGOR* algorithm, const EVP_PKEY* key) {
  int nid = NID_undef;
  if (EVP_PKEY_is_a(key, "EC") == 1) nid = NID_ecdsa_with_SHA256;
  if (EVP_PKEY_is_a(key, "RSA") == 1) nid = NID_sha256WithRSAEncryption;
  if (EVP_PKEY_is_a(key, "ED25519") == 1) nid = NID_ED25519;
  if (nid == NID_undef) return false;
  const int parameter = nid == NID_sha256WithRSAEncryption ? V_ASN1_NULL : V_ASN1_UNDEF;
  return X509_ALGOR_set0(algorithm, OBJ_nid2obj(nid), parameter, nullptr) == 1;
}

bool is_host_text(std::string_view text) {
  return !text.empty() && text.size() <= kHostBytesMax && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '*';
  });
}

}  // namespace penstock::bump
