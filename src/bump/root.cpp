#include "bump/root.h"

#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "bump/facts.h"

namespace penstock::bump {
namespace {

using tls::FreedBy;
using OwnedBasic = std::unique_ptr<BASIC_CONSTRAINTS, FreedBy<BASIC_CONSTRAINTS_free>>;
using OwnedBits = std::unique_ptr<ASN1_BIT_STRING, FreedBy<ASN1_BIT_STRING_free>>;
using OwnedBytes = std::unique_ptr<ASN1_OCTET_STRING, FreedBy<ASN1_OCTET_STRING_free>>;
using OwnedIssuerId = std::unique_ptr<AUTHORITY_KEYID, FreedBy<AUTHORITY_KEYID_free>>;
using OwnedConstraints = std::unique_ptr<NAME_CONSTRAINTS, FreedBy<NAME_CONSTRAINTS_free>>;

enum Critical : uint8_t { kNo, kYes };

void add(X509* certificate, int nid, void* value, Critical critical) {
  PENSTOCK_CHECK(X509_add1_ext_i2d(certificate, nid, value, critical, X509V3_ADD_DEFAULT) == 1);
}

// 127 random bits: nobody can foresee what will be signed (CA/Browser Forum wants 64).
void set_random_serial(X509* certificate) {
  std::array<unsigned char, 16> bytes{};
  PENSTOCK_CHECK(RAND_bytes(bytes.data(), bytes.size()) == 1);
  bytes[0] = static_cast<unsigned char>((bytes[0] & 0x7f) | 0x40);  // positive, and never short
  const std::unique_ptr<BIGNUM, FreedBy<BN_free>> number(
      BN_bin2bn(bytes.data(), bytes.size(), nullptr));
  PENSTOCK_CHECK(BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr);
}

void add_authority(X509* certificate, int path_length) {
  const OwnedBasic basic(BASIC_CONSTRAINTS_new());
  basic->ca = 0xff;
  basic->pathlen = ASN1_INTEGER_new();
  ASN1_INTEGER_set(basic->pathlen, path_length);
  add(certificate, NID_basic_constraints, basic.get(), kYes);
  const OwnedBits usage(ASN1_BIT_STRING_new());
  constexpr int kKeyCertSign = 5, kCrlSign = 6;  // RFC 5280, section 4.2.1.3
  ASN1_BIT_STRING_set_bit(usage.get(), kKeyCertSign, 1);
  ASN1_BIT_STRING_set_bit(usage.get(), kCrlSign, 1);
  add(certificate, NID_key_usage, usage.get(), kYes);
}

// RFC 5280, section 4.2.1.2, method 1.
void add_key_id(X509* certificate) {
  std::array<unsigned char, SHA_DIGEST_LENGTH> hash{};
  unsigned int size = 0;
  PENSTOCK_CHECK(X509_pubkey_digest(certificate, EVP_sha1(), hash.data(), &size) == 1);
  const OwnedBytes id(ASN1_OCTET_STRING_new());
  ASN1_OCTET_STRING_set(id.get(), hash.data(), static_cast<int>(size));
  add(certificate, NID_subject_key_identifier, id.get(), kNo);
}

void add_subtree(STACK_OF(GENERAL_SUBTREE) * *trees, int type, std::string_view bytes) {
  if (!*trees) *trees = sk_GENERAL_SUBTREE_new_null();
  GENERAL_SUBTREE* const tree = GENERAL_SUBTREE_new();
  ASN1_STRING* const text = type == GEN_DNS ? ASN1_IA5STRING_new() : ASN1_OCTET_STRING_new();
  ASN1_STRING_set(text, bytes.data(), static_cast<int>(bytes.size()));
  GENERAL_NAME_set0_value(tree->base, type, text);
  sk_GENERAL_SUBTREE_push(*trees, tree);
}

std::string with_mask(const IpPrefix& prefix) {
  const auto size = static_cast<size_t>(prefix.address.bits() / 8);
  std::string out(2 * size, '\0');
  std::copy_n(prefix.address.bytes.begin(), size, out.begin());
  for (int bit = 0; bit < prefix.length; ++bit) {
    out[size + static_cast<size_t>(bit / 8)] |= static_cast<char>(0x80 >> bit % 8);
  }
  return out;
}

// A constraint on names says nothing about addresses, and the other way round; so the kind that is
// not named is excluded as a whole.
void add_constraints(X509* certificate, const Permitted& permitted) {
  if (permitted.everything()) return;
  const OwnedConstraints constraints(NAME_CONSTRAINTS_new());
  auto* const permits = &constraints->permittedSubtrees;
  auto* const excludes = &constraints->excludedSubtrees;
  for (const std::string& name : permitted.names) add_subtree(permits, GEN_DNS, name);
  for (const IpPrefix& prefix : permitted.addresses) {
    add_subtree(permits, GEN_IPADD, with_mask(prefix));
  }
  if (permitted.names.empty()) add_subtree(excludes, GEN_DNS, "");
  if (permitted.addresses.empty()) {
    add_subtree(excludes, GEN_IPADD, with_mask({}));
    add_subtree(excludes, GEN_IPADD, with_mask({.address = {.bytes = {}, .v6 = true}}));
  }
  add(certificate, NID_name_constraints, constraints.get(), kYes);
}

void copy_constraints(X509* to, const X509* from) {
  const OwnedConstraints constraints(static_cast<NAME_CONSTRAINTS*>(
      X509_get_ext_d2i(from, NID_name_constraints, nullptr, nullptr)));
  if (constraints) add(to, NID_name_constraints, constraints.get(), kYes);
}

tls::OwnedCertificate blank() {
  tls::OwnedCertificate out(X509_new());
  PENSTOCK_CHECK(out);
  X509_set_version(out.get(), X509_VERSION_3);
  set_random_serial(out.get());
  return out;
}

// Of the keys that sign whole messages by themselves (Ed25519), the hash is theirs.
const EVP_MD* hash_for(EVP_PKEY* key) {
  const bool has_its_own = EVP_PKEY_is_a(key, "ED25519") == 1 || EVP_PKEY_is_a(key, "ED448") == 1;
  return has_its_own ? nullptr : EVP_sha256();
}

}  // namespace

tls::OwnedKey make_key() {
  tls::OwnedKey out(EVP_EC_gen("P-256"));
  PENSTOCK_CHECK(out);
  return out;
}

tls::OwnedCertificate make_root(const RootSpec& spec, EVP_PKEY* key) {
  auto out = blank();
  X509* const root = out.get();
  ASN1_TIME_set(X509_getm_notBefore(root), spec.from);
  ASN1_TIME_set(X509_getm_notAfter(root), spec.until);
  PENSTOCK_CHECK(X509_set_pubkey(root, key) == 1);
  X509_NAME* const subject = X509_get_subject_name(root);
  // SAFETY: OpenSSL wants unsigned chars, and chars are bytes.
  PENSTOCK_CHECK(
      X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8,
                                 reinterpret_cast<const unsigned char*>(spec.name.data()),
                                 static_cast<int>(spec.name.size()), -1, 0) == 1);
  X509_set_issuer_name(root, subject);
  add_authority(root, 1);
  add_key_id(root);
  if (spec.like) {
    copy_constraints(root, spec.like);
  } else {
    add_constraints(root, spec.permitted);
  }
  PENSTOCK_CHECK(X509_sign(root, key, EVP_sha256()) > 0);
  return out;
}

tls::OwnedCertificate cross_sign(const X509* root, const X509* issuer, EVP_PKEY* key) {
  auto out = blank();
  X509* const cross = out.get();
  ASN1_TIME_set(X509_getm_notBefore(cross), std::max(valid_from(root), valid_from(issuer)));
  ASN1_TIME_set(X509_getm_notAfter(cross), std::min(valid_until(root), valid_until(issuer)));
  X509_set_subject_name(cross, X509_get_subject_name(root));
  X509_set_issuer_name(cross, X509_get_subject_name(issuer));
  PENSTOCK_CHECK(X509_set_pubkey(cross, X509_get0_pubkey(root)) == 1);
  add_authority(cross, 0);
  add_key_id(cross);
  const OwnedBytes issuer_id(static_cast<ASN1_OCTET_STRING*>(
      X509_get_ext_d2i(issuer, NID_subject_key_identifier, nullptr, nullptr)));
  if (issuer_id) {
    const OwnedIssuerId id(AUTHORITY_KEYID_new());
    id->keyid = ASN1_OCTET_STRING_dup(issuer_id.get());
    add(cross, NID_authority_key_identifier, id.get(), kNo);
  }
  copy_constraints(cross, root);
  if (X509_sign(cross, key, hash_for(key)) > 0) return out;
  ERR_clear_error();
  return nullptr;
}

long path_length_of(X509* certificate) {
  return X509_get_pathlen(certificate);
}

}  // namespace penstock::bump
