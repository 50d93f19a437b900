#include "identity/keyed_hash.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/secret.h"

namespace penstock::identity {

Digest sha256(std::string_view text) {
  Digest out;
  unsigned int size = 0;
  PENSTOCK_CHECK(EVP_Digest(text.data(), text.size(), out.data(), &size, EVP_sha256(), nullptr) ==
                 1);
  return out;
}

KeyedHash::KeyedHash() {
  PENSTOCK_CHECK(RAND_bytes(key_.data(), static_cast<int>(key_.size())) == 1);
}

KeyedHash::~KeyedHash() {
  ::explicit_bzero(key_.data(), key_.size());
}

Digest KeyedHash::of(std::initializer_list<std::string_view> parts) const {
  std::string text;
  size_t size = 0;
  for (const std::string_view part : parts) size += part.size() + sizeof(uint64_t);
  text.reserve(size);  // so that no copy of a secret is left where it was too short
  for (const std::string_view part : parts) {
    const uint64_t length = part.size();
    // SAFETY: the bytes of a number.
    text.append(reinterpret_cast<const char*>(&length), sizeof(length));
    text += part;
  }
  Digest out;
  unsigned int written = 0;
  PENSTOCK_CHECK(HMAC(EVP_sha256(), key_.data(), static_cast<int>(key_.size()),
                      bytes_of(text).data(), text.size(), out.data(), &written) != nullptr);
  wipe(text);
  return out;
}

}  // namespace penstock::identity
