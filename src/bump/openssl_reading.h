// The second reader of drafts, for tests and fuzzing: what OpenSSL finds in one that ours has let
// pass.
#pragma once

#include <openssl/x509v3.h>

#include <string>
#include <string_view>

#include "bump/dates.h"
#include "bump/der.h"
#include "bump/form.h"
#include "bump/names.h"

namespace penstock::bump {

inline std::string element(char tag, std::string_view content) {
  std::string out{tag};
  if (content.size() < 0x80) {
    out += static_cast<char>(content.size());
  } else {
    out += "\x82";
    out += static_cast<char>(content.size() >> 8);
    out += static_cast<char>(content.size());
  }
  return out.append(content);
}

// A certificate of it, signed with nonsense.
inline tls::OwnedCertificate openssl_reads(std::string_view tbs) {
  constexpr std::string_view kEcdsa("\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02", 12);
  constexpr std::string_view kBits("\x03\x02\x00\x00", 4);
  std::string content(tbs);
  content.append(kEcdsa).append(kBits);
  return certificate_of(element('\x30', content));
}

// Why a client should not have it signed; null: nothing.
inline const char* objection_to(X509* leaf, const X509* issuer) {
  if (X509_get_version(leaf) != X509_VERSION_3) return "version";
  const uint32_t flags = X509_get_extension_flags(leaf);
  if ((flags & (EXFLAG_INVALID | EXFLAG_CRITICAL)) != 0) return "extensions";
  if ((flags & EXFLAG_BCONS) == 0 || X509_check_ca(leaf) != 0) return "CA";
  if (X509_get_extended_key_usage(leaf) != XKU_SSL_SERVER) return "extended key usage";
  if (X509_get_key_usage(leaf) != KU_DIGITAL_SIGNATURE) return "key usage";
  if (X509_NAME_cmp(X509_get_issuer_name(leaf), X509_get_subject_name(issuer)) != 0)
    return "issuer";
  if (X509_NAME_cmp(X509_get_subject_name(leaf), X509_get_subject_name(issuer)) == 0) {
    return "subject";
  }
  const OwnedNames names = names_of(leaf);
  const int count = names ? sk_GENERAL_NAME_num(names.get()) : 0;
  if (count < 1 || count > kNamesMax) return "number of names";
  for (int i = 0; i < count; ++i) {
    const int type = sk_GENERAL_NAME_value(names.get(), i)->type;
    if (type != GEN_DNS && type != GEN_IPADD) return "type of a name";
  }
  const auto dates = dates_of(leaf);
  const auto limit = dates_of(issuer);
  if (!dates || dates->until - dates->from > kValidityMax || dates->until > limit->until) {
    return "dates";
  }
  return nullptr;
}

}  // namespace penstock::bump
