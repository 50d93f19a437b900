// The owner's key, and what it signs: leaves, and nothing else. It lives in the key keeper's
// process alone (bump/keep_key.h). Thread: one.   Cost: 20 us for a signature with P-256.
#pragma once

#include <cstdint>
#include <expected>
#include <string>

#include "tls/owned.h"

namespace penstock::bump {

// Where the owner's certificate and key are.
struct KeyFiles {
  std::string ca;
  std::string key;
  std::string passphrase_file;  // empty: the key has none
};
enum class KeyFile : char { kCa = 'c', kKey = 'k', kPassphrase = 'p' };

// Of a leaf, with or without its signature.
inline constexpr size_t kLeafBytesMax = 16 * 1024;
inline constexpr int kLeafNamesMax = 128;

class Signet {
 public:
  struct Fault {
    KeyFile file;
    std::string what;  // goes behind the file's name
  };

  // `warning`: of the key's file, if it has one.
  static std::expected<Signet, Fault> open(const KeyFiles& files, std::string* warning);

  // The same certificate, signed by us; or why not. `draft` is one in DER, with any signature. What
  // is signed is what was checked, encoded anew. An end of a server for TLS: CA:FALSE, serverAuth
  // alone, a P-256 key that is not ours, our name as the issuer's, DNS names and addresses, valid
  // for 398 days at most and not beyond our own certificate; no extension that is not of these.
  std::expected<std::string, const char*> sign(std::string_view draft) const;

  const X509* certificate() const { return certificate_.get(); }

 private:
  Signet(tls::OwnedCertificate certificate, tls::OwnedKey key)
      : certificate_(std::move(certificate)), key_(std::move(key)) {}
  const char* why_not(X509* draft) const;

  tls::OwnedCertificate certificate_;
  tls::OwnedKey key_;
};

}  // namespace penstock::bump
