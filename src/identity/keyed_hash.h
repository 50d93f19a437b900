// What stands for credentials where they themselves must not be kept: a hash under a key that is
// this process's own and never leaves it, so that a copy of the hashes is worth nothing elsewhere.
// Thread: any.   Cost: a microsecond or two.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string_view>

namespace penstock::identity {

using Digest = std::array<uint8_t, 32>;

Digest sha256(std::string_view text);

class KeyedHash {
 public:
  KeyedHash();  // a new key, by chance
  KeyedHash(const KeyedHash&) = delete;
  KeyedHash& operator=(const KeyedHash&) = delete;
  ~KeyedHash();

  // HMAC-SHA-256 of the parts, each with its length in front: no two lists are the same text.
  Digest of(std::initializer_list<std::string_view> parts) const;

 private:
  Digest key_;
};

}  // namespace penstock::identity
