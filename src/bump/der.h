// Certificates as bytes (DER), and back.
// Thread: any.
#pragma once

#include <openssl/err.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "tls/owned.h"

namespace penstock::bump {

// `encode`: one of OpenSSL's i2d_ functions.
template <class T>
std::string der_by(int (*encode)(T*, unsigned char**), T* thing) {
  unsigned char* der = nullptr;
  const int size = encode(thing, &der);
  PENSTOCK_CHECK(size > 0);
  // SAFETY: bytes are read as chars.
  std::string out(reinterpret_cast<const char*>(der), static_cast<size_t>(size));
  OPENSSL_free(der);
  return out;
}

inline std::string der_of(const X509* certificate) {
  return der_by<const X509>(i2d_X509, certificate);
}
// What is signed of it, as it is now.
inline std::string tbs_of(X509* certificate) {
  return der_by<X509>(i2d_re_X509_tbs, certificate);
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
