// The owner's certification authority, as its file has it: the certificate that issues leaves, and
// what is shown behind a leaf. Its key is not here (bump/signing_key.h).
// Thread: any.   Cost: reads files, so not on a worker.
#pragma once

#include <ctime>
#include <optional>
#include <string>
#include <vector>

#include "base/fault.h"
#include "tls/owned.h"

namespace penstock::bump {

struct Authority {
  tls::OwnedCertificate issuer;  // of leaves: the first certificate of the file
  // From the issuer of leaves upwards, the leaf left out. A root is shown as well, so that a client
  // that does not trust it can say so (X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN), except where others
  // stand behind it: a client that trusts only their issuer would stop at the root, since OpenSSL
  // takes the first issuer that it is shown.
  std::vector<tls::OwnedCertificate> shown;
};

// `path` names the place in messages: "inspection.ca". What is wrong is added to `faults`, what is
// suspicious to `warnings`. Nothing: there were faults.
std::optional<Authority> read_authority(const Located<std::string>& file, const std::string& path,
                                        Faults& faults, Faults& warnings);

// An authority that has no more than so many days left is a warning.
inline constexpr int kAuthoritySoonDays = 30;
// Of security, for the issuer's key; what RSA of 2048 bits has (NIST SP 800-57, part 1).
inline constexpr int kAuthoritySecurityBits = 112;

// What is wrong with `certificate` as an issuer of leaves, in words that go behind the name of its
// file; and what soon will be. Empty: nothing.
struct Judgement {
  std::vector<std::string> faults;
  std::vector<std::string> warnings;
};
Judgement judge_issuer(X509* certificate, time_t now);

}  // namespace penstock::bump
