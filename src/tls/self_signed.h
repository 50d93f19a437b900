// A certificate that signs itself, for servers that nobody has a reason to trust: origins of load
// runs and of tests. P-256, valid for a year, made in memory and never written to a file.
#pragma once

#include <openssl/ssl.h>

namespace penstock::tls {

// Gives `context` a new key and a certificate with `name` as its common name.
void certify_itself(SSL_CTX* context, const char* name);

}  // namespace penstock::tls
