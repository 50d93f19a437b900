// What a server that we speak TLS to must show: whom the system trusts to sign, and whose name has
// to be in the certificate (RFC 9525: a common name counts for nothing).
// Thread: any.
#pragma once

#include <openssl/x509v3.h>

#include <string_view>
#include <vector>

#include "base/fault.h"
#include "http/authority.h"
#include "tls/owned.h"

namespace penstock::tls {

// The certificates that this system trusts. Nothing, and a fault that says `otherwise`, where there
// is no file of them. `key`: of the configuration, for messages. Reads files, so not on a worker.
std::vector<OwnedCertificate> read_system_roots(Place place, std::string_view key,
                                                std::string_view otherwise, Faults& faults);

// How a name is looked for in a certificate: a wildcard stands for a whole label.
inline constexpr unsigned kHostFlags =
    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT;

// The certificate must name `server` among its alternative names. The name is sent (SNI), unless it
// is an address.
void expect(SSL* ssl, const http::Authority& server);

// Whether the certificate that a session rests on is still valid: it is looked at when a session
// begins, and not when it is taken up again.
bool still_valid(const SSL_SESSION* session);

}  // namespace penstock::tls
