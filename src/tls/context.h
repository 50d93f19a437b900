// What our TLS is, whichever side of it we are: TLS 1.2 and 1.3, ECDHE and AEAD only, no
// renegotiation, no compression.
// Thread: any.
#pragma once

#include <string>
#include <vector>

#include "tls/owned.h"

namespace penstock::tls {

// Of a peer's certificates with their issuers: more is no chain but a load.
inline constexpr long kCertificateBytesMax = 32 * 1024;
inline constexpr int kChainLengthMax = 8;

OwnedContext new_context(const SSL_METHOD* method);

// `context` shows `certificate`, and `chain` behind it, with `key`. False: `why_not` has OpenSSL's
// reason, such as a key that is too short.
bool show(SSL_CTX* context, const OwnedCertificate& certificate,
          const std::vector<OwnedCertificate>& chain, const OwnedKey& key, std::string* why_not);

// Whoever is among `issuers` is trusted for itself, be it a root or not.
void trust(SSL_CTX* context, const std::vector<OwnedCertificate>& issuers);

}  // namespace penstock::tls
