// What is the same in every leaf of one issuer. The proxy fills it in, and the key keeper signs
// nothing else (bump/signet.h). Thread: any.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "tls/owned.h"

namespace penstock::bump {

// Of a draft, and of the names in it.
inline constexpr size_t kDraftBytesMax = 16 * 1024;
inline constexpr size_t kSubjectBytesMax = 1024;
inline constexpr int kNamesMax = 128;
inline constexpr size_t kHostBytesMax = 253;

using OwnedName = std::unique_ptr<X509_NAME, tls::FreedBy<X509_NAME_free>>;
using OwnedExtension = std::unique_ptr<X509_EXTENSION, tls::FreedBy<X509_EXTENSION_free>>;

// CA:FALSE, for signatures in handshakes, for servers of TLS, and whose key signs it: in this
// order, and first. Then come the subject's key and its names.
std::vector<OwnedExtension> fixed_extensions(const X509* issuer);

// How `key` signs: SHA-256 and ECDSA or RSA, or Ed25519. False: no key that we sign with.
bool set_algorithm(X509_ALGOR* algorithm, const EVP_PKEY* key);

// The bytes of a host name in a certificate: no NUL ends it early for one reader and not for
// another, and it is no text of another kind.
bool is_host_text(std::string_view text);

}  // namespace penstock::bump
