// A JSON Web Key Set (RFC 7517) of public keys that tokens are signed with. A key has one
// algorithm, which is its own: what a token says of itself chooses nothing (RFC 8725 section 3.1).
//   RSA of 2048 to 8192 bits   RS256
//   EC on P-256                ES256
//   OKP on Ed25519             EdDSA (RFC 8037)
// Symmetric keys are refused: with one, whoever can check a token can make one.
// Thread: any, once read.   Limits: 256 KiB, 64 keys.
#pragma once

#include <openssl/evp.h>

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace penstock::identity {

inline constexpr size_t kKeySetBytesMax = 256 * 1024;
inline constexpr size_t kKeysMax = 64;

enum class Algorithm : uint8_t { kRs256, kEs256, kEdDsa };
std::string_view algorithm_word(Algorithm algorithm);  // as a token's "alg" has it

class Key {
 public:
  // Whether `signature`, in the form that JWS has it (RFC 7518 section 3), is of `text`.
  bool signed_it(std::string_view text, std::string_view signature) const;

  Algorithm algorithm() const { return algorithm_; }
  const std::optional<std::string>& id() const { return id_; }

 private:
  friend class KeySet;
  struct Free {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  };
  Algorithm algorithm_ = Algorithm::kRs256;
  std::optional<std::string> id_;
  std::unique_ptr<EVP_PKEY, Free> key_;
};

class KeySet {
 public:
  // What is wrong with `text`, or its keys. Keys that are for something else (encryption, another
  // algorithm, another curve) are left out; one must be left.
  static std::expected<KeySet, std::string> parse(std::string_view text);

  // The key that a token with this "kid" is signed with. Without a "kid" only a set of one key
  // knows which.
  const Key* find(const std::optional<std::string>& id) const;
  size_t size() const { return keys_.size(); }

 private:
  std::vector<Key> keys_;
};

}  // namespace penstock::identity
