// The bytes of an ASN.1 string of OpenSSL's.
// Lifetime: a view, of the string's.
#pragma once

#include <openssl/asn1.h>

#include <cstddef>
#include <string_view>

namespace penstock::tls {

inline std::string_view string_of(const ASN1_STRING* string) {
  // SAFETY: unsigned chars are read as chars.
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(string)),
          static_cast<size_t>(ASN1_STRING_length(string))};
}

}  // namespace penstock::tls
