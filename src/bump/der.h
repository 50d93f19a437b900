// Certificates as bytes, and back.
#pragma once

#include <openssl/err.h>

#include <string>
#include <string_view>

#include "base/check.h"
#include "tls/owned.h"

namespace penstock::bump {

inline std::string der_of(const X509* certificate) {
  unsigned char* der = nullptr;
  const int size = i2d_X509(certificate, &der);
  PENSTOCK_CHECK(size > 0);
  // SAFETY: bytes are read as chars.
  std::string out(reinterpret_cast<const char*>(der), static_cast<size_t>(size));
  OPENSSL_free(der);
  return out;
}

// Null: it is none, or something stands behind it.
inline tls::OwnedCertificate certificate_of(std::string_view der) {
  // SAFETY: chars are bytes.
  const auto* bytes = reinterpret_cast<const unsigned char*>(der.data());
  const auto* const end = bytes + der.size();
  tls::OwnedCertificate out(d2i_X509(nullptr, &bytes, static_cast<long>(der.size())));
  ERR_clear_error();
  if (bytes != end) out.reset();
  return out;
}

}  // namespace penstock::bump
