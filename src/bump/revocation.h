// Lists of certificates that their issuers have revoked (CRLs, RFC 5280 section 5), as the owner
// has fetched them: nobody is asked on the way of a connection.
// Thread: any.   Cost: reads a file, so not on a worker.
#pragma once

#include <openssl/x509.h>

#include <string>

#include "base/fault.h"

namespace penstock::bump {

// The lists of a PEM file are looked into for every certificate of a chain that one of their
// issuers has signed, with the result X509_V_ERR_CERT_REVOKED; of other issuers' certificates
// nothing is known and nothing said. A list that is out of date, or whose signature is not its
// issuer's, is a fault of the chain: who wants to know does not want to guess. False, and said: the
// file cannot be read, or has no list.
bool add_revocation_lists(const Located<std::string>& file, X509_STORE* to, Faults& faults);

}  // namespace penstock::bump
