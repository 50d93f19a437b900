// Bytes as a token has them (RFC 7515 section 2). For tests and fuzzing only: the proxy issues
// none.
#pragma once

#include <openssl/evp.h>

#include <string>
#include <string_view>

#include "base/bytes.h"

namespace penstock::identity {

inline std::string base64url(std::string_view bytes) {
  std::string out(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                   bytes_of(bytes).data(), static_cast<int>(bytes.size()));
  out.resize(static_cast<size_t>(size));
  while (out.ends_with('=')) out.pop_back();
  for (char& c : out) c = c == '+' ? '-' : c == '/' ? '_' : c;
  return out;
}

}  // namespace penstock::identity
