// The authority's key, by the name that the configuration has for it: a file (PKCS#8 or older PEM,
// with or without a passphrase), or the URI of a store that OpenSSL knows (OSSL_STORE), where the
// key may never leave a token. Whoever signs has an EVP_PKEY and cannot tell the two apart; nothing
// here depends on the key's bytes.
// Thread: any.   Cost: reads files, and a passphrase takes a quarter of a second of CPU.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "base/fault.h"
#include "base/secret.h"
#include "tls/owned.h"

namespace penstock::bump {

// "file:/etc/…" or "pkcs11:object=…": a scheme of two or more letters with a colon behind it.
bool is_store_uri(std::string_view name);

// The first line of a file: 1 to 1024 bytes. An empty path is no passphrase. The error goes behind
// the path: "cannot be read: …".
std::expected<Secret, std::string> read_passphrase(const std::string& path);

// The key, or why not, in words that go behind the name. Nobody is asked for a passphrase.
std::expected<tls::OwnedKey, std::string> open_signing_key(const std::string& name,
                                                           const Secret& passphrase);

// PKCS#8 in PEM; with a passphrase, by PBKDF2 (HMAC-SHA-256) and AES-256-CBC.
Secret pem_of_key(EVP_PKEY* key, const Secret& passphrase);

// Who may read or write the file of a key, as faults and warnings at the place that names it.
// `what` names the place in messages: "inspection.key". A URI is not looked at, a file that is not
// there is a fault.
void judge_key_file(const Located<std::string>& file, const std::string& what, Faults& faults,
                    Faults& warnings);

}  // namespace penstock::bump
