// A JSON Web Token in compact form (RFC 7515, 7519), checked and never made. Only signatures by a
// key of ours count; "none" and the HMAC algorithms do not exist here, and the header's key (jwk,
// jku, x5c, x5u) is not looked at.
// Pure: the time is the caller's.   Cost: 30 to 150 us, nearly all of it the signature.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "identity/identity.h"
#include "identity/key_set.h"

namespace penstock::identity {

// What a token must say.
struct JwtRules {
  std::string issuer;
  std::vector<std::string> audience;  // one of them
  // Claims by name; one that begins with '/' is a path: "/realm_access/roles".
  std::string identity_claim = "sub";
  std::string groups_claim = "groups";
  Duration leeway = Duration::zero();  // clocks differ
};

enum class JwtFault : uint8_t {
  kMalformed,
  kHeader,
  kUnknownKey,
  kAlgorithm,
  kSignature,
  kIssuer,
  kAudience,
  kExpired,
  kEarly,
  kIdentity
};
// For the program's own log: says nothing that the token says.
std::string_view sentence(JwtFault fault);

struct JwtHolder {
  Identity identity;
  int64_t expires = 0;  // seconds since 1970, leeway included
};

// `now`: seconds since 1970.
std::expected<JwtHolder, JwtFault> check_token(std::string_view token, const KeySet& keys,
                                               const JwtRules& rules, int64_t now);

}  // namespace penstock::identity
