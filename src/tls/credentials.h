// One certificate of ours with its key, read from files: PEM, without a passphrase.
// Thread: any.   Cost: reads files, so not on a worker.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "base/fault.h"
#include "config/config.h"
#include "tls/owned.h"

namespace penstock::tls {

struct Credentials {
  OwnedCertificate certificate;         // the leaf: the first in its file
  std::vector<OwnedCertificate> chain;  // those behind it, from the leaf's issuer upwards
  OwnedKey key;
  std::vector<std::string> names;  // DNS names, lower case; with or without "*." in front
  std::string staple;              // an OCSP response (RFC 6960), DER; empty: none
  time_t staple_until = 0;         // its nextUpdate; behind it nobody takes it
};

// Whose judgement of the certificate the warnings are about.
enum class ShownTo : uint8_t { kClients, kServers };

// `path` names the place in messages: "listeners[0].tls.certificates[1]". What is wrong is added to
// `faults`, what is suspicious to `warnings`. Nothing: there were faults.
std::optional<Credentials> read_credentials(const config::Certificate& files,
                                            const std::string& path, Faults& faults,
                                            Faults& warnings, ShownTo shown_to = ShownTo::kClients);

// The certificates in a PEM file, at least one; nothing: a fault was added.
std::vector<OwnedCertificate> read_certificates(const Located<std::string>& file,
                                                const std::string& path, Faults& faults,
                                                std::string* text = nullptr);

}  // namespace penstock::tls
