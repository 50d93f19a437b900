#include "bump/facts.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <bit>
#include <memory>
#include <optional>

#include "base/ip.h"
#include "bump/dates.h"
#include "tls/asn1.h"
#include "tls/owned.h"

namespace penstock::bump {
namespace {

using OwnedConstraints = std::unique_ptr<NAME_CONSTRAINTS, tls::FreedBy<NAME_CONSTRAINTS_free>>;

std::string content_of(BIO* memory) {
  char* text = nullptr;
  const long size = BIO_get_mem_data(memory, &text);
  return size > 0 ? std::string(text, static_cast<size_t>(size)) : std::string();
}

std::string line_of(const X509_NAME* name) {
  const tls::OwnedBio memory(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(memory.get(), name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
  return content_of(memory.get());
}

// An address and its mask behind it, 8 or 32 bytes.
std::optional<std::string> prefix_of(std::string_view bytes) {
  if (bytes.size() != 8 && bytes.size() != 32) return std::nullopt;
  IpPrefix out;
  out.address.v6 = bytes.size() == 32;
  std::ranges::copy(bytes.substr(0, bytes.size() / 2), out.address.bytes.begin());
  for (const char c : bytes.substr(bytes.size() / 2)) {
    out.length += std::popcount(static_cast<uint8_t>(c));
  }
  return out.text();
}

std::string constraint_of(const GENERAL_NAME* name) {
  if (name->type == GEN_DNS) {
    const std::string_view text = tls::string_of(name->d.dNSName);
    return text.empty() ? "all names" : std::string(text);
  }
  if (name->type == GEN_IPADD) {
    if (auto prefix = prefix_of(tls::string_of(name->d.iPAddress))) return *prefix;
  }
  return "something else than names and addresses";
}

std::vector<std::string> texts_of(const STACK_OF(GENERAL_SUBTREE) * trees) {
  std::vector<std::string> out;
  for (int i = 0; trees && i < sk_GENERAL_SUBTREE_num(trees); ++i) {
    out.push_back(constraint_of(sk_GENERAL_SUBTREE_value(trees, i)->base));
  }
  return out;
}

}  // namespace

std::string subject_of(const X509* certificate) {
  return line_of(X509_get_subject_name(certificate));
}

std::string issuer_of(const X509* certificate) {
  return line_of(X509_get_issuer_name(certificate));
}

bool signs_itself(X509* certificate) {
  return (X509_get_extension_flags(certificate) & EXFLAG_SS) != 0;
}

std::string common_name_of(const X509* certificate) {
  const X509_NAME* const name = X509_get_subject_name(certificate);
  int at = -1;
  for (int next = -1; (next = X509_NAME_get_index_by_NID(name, NID_commonName, next)) >= 0;)
    at = next;
  if (at < 0) return {};
  return std::string(tls::string_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at))));
}

std::string fingerprint_of(const X509* certificate, const EVP_MD* hash) {
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (X509_digest(certificate, hash, bytes, &size) != 1) return {};
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (unsigned int i = 0; i < size; ++i) {
    if (i > 0) out += ':';
    out += kHex[bytes[i] >> 4];
    out += kHex[bytes[i] & 15];
  }
  return out;
}

time_t valid_from(const X509* certificate) {
  return seconds_of(X509_get0_notBefore(certificate)).value_or(0);
}

time_t valid_until(const X509* certificate) {
  return seconds_of(X509_get0_notAfter(certificate)).value_or(0);
}

std::string date_of(time_t at) {
  tm parts{};
  gmtime_r(&at, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof(text), "%Y-%m-%d %H:%M UTC", &parts)};
}

std::string key_of(X509* certificate) {
  const EVP_PKEY* const key = X509_get0_pubkey(certificate);
  if (!key) return "unreadable";
  const char* const type = EVP_PKEY_get0_type_name(key);
  char group[64];
  size_t size = 0;
  if (EVP_PKEY_get_group_name(key, group, sizeof(group), &size) == 1) {
    const std::string_view name(group, size);
    return name == "prime256v1" ? "P-256" : std::string(name);
  }
  return std::string(type ? type : "unknown") + ", " + std::to_string(EVP_PKEY_get_bits(key)) +
         " bits";
}

std::string pem_of(const X509* certificate) {
  const tls::OwnedBio memory(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(memory.get(), certificate);
  return content_of(memory.get());
}

Constraints constraints_of(const X509* certificate) {
  const OwnedConstraints found(static_cast<NAME_CONSTRAINTS*>(
      X509_get_ext_d2i(certificate, NID_name_constraints, nullptr, nullptr)));
  if (!found) return {};
  return {texts_of(found->permittedSubtrees), texts_of(found->excludedSubtrees)};
}

}  // namespace penstock::bump
