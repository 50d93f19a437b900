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
  std::string key;              // a file, or the URI of a store (bump/signing_key.h)
  std::string passphrase_file;  // empty: the key has none
};
enum class KeyFile : char { kCa = 'c', kKey = 'k', kPassphrase = 'p' };

class Signet {
 public:
  struct Fault {
    KeyFile file;
    std::string what;  // goes behind the file's name
  };

  // `warning`: of the key's file, if it has one.
  static std::expected<Signet, Fault> open(const KeyFiles& files, std::string* warning);

  // Its signature; or why there is none, in the words of a log line: "... does not sign it: ...".
  // `draft` is the TBSCertificate of a leaf: an end of a server for TLS with CA:FALSE, serverAuth
  // alone, a P-256 key that is not ours, our name as the issuer's, DNS names and addresses, valid
  // for 398 days at most and not beyond our own certificate, and no extension that is not of these.
  std::expected<std::string, const char*> sign(std::string_view draft) const;

  const X509* certificate() const { return certificate_.get(); }

 private:
  Signet(tls::OwnedCertificate certificate, tls::OwnedKey key);
  const char* why_not(std::string_view draft) const;

  tls::OwnedCertificate certificate_;
  tls::OwnedKey key_;
  // What every draft must have to the byte.
  std::string issuer_;
  std::string algorithm_;
  std::string extensions_;
  std::string public_key_;  // and what none may have
};

}  // namespace penstock::bump
