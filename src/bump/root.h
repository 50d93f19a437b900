// Makes an authority: a P-256 key, a root certificate that signs itself with it, and, at a change
// of keys, the same root signed by the one before, so that clients that trust only that one go on.
// Thread: any.
#pragma once

#include <ctime>
#include <string>
#include <vector>

#include "base/ip.h"
#include "tls/owned.h"

namespace penstock::bump {

// Names and addresses that leaves may be for. Of a kind of which none is given, none is allowed,
// unless neither is: then everything is.
struct Permitted {
  std::vector<std::string> names;  // canonical; each with all that is below it
  std::vector<IpPrefix> addresses;

  bool everything() const { return names.empty() && addresses.empty(); }
};

struct RootSpec {
  std::string name;  // common name, UTF-8, 1 to 64 characters
  time_t from = 0;
  time_t until = 0;
  Permitted permitted;
  const X509* like = nullptr;  // whose constraints it has, in place of `permitted`
};

tls::OwnedKey make_key();

// Critical: CA:TRUE with a path length of 1, keyCertSign and cRLSign, the name constraints. The
// path length has to leave room for the authority of the next change of keys: RFC 5280 would not
// count that one where both have one name, but Go and Firefox do.
tls::OwnedCertificate make_root(const RootSpec& spec, EVP_PKEY* key);

// `root`, which `key` does not belong to, as issued by `issuer`, whose key it is. Valid as long as
// both are, path length 0. Nothing: the key does not sign (a token that is not there, say).
tls::OwnedCertificate cross_sign(const X509* root, const X509* issuer, EVP_PKEY* key);

// Of basicConstraints; -1: any.
long path_length_of(X509* certificate);

}  // namespace penstock::bump
