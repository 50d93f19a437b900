// What stands in Proxy-Authorization (RFC 9110 section 11.4): a scheme and, for the schemes that
// are known here, one token68. Anything else is refused and not guessed at.
// Pure.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "base/secret.h"

namespace penstock::http {

enum class AuthScheme : uint8_t { kBasic, kBearer, kNegotiate, kOther };

// No password and no token with its claims is longer; and no Kerberos ticket, however many groups
// its Windows domain wrote into it (48,000 bytes at most, here in base64).
inline constexpr size_t kCredentialBytesMax = 16 * 1024;
inline constexpr size_t kTicketBytesMax = 64 * 1024;

struct Credentials {
  AuthScheme scheme = AuthScheme::kOther;
  // Basic: "user:password", decoded (RFC 7617); the other two: the token68 as sent. Of a scheme
  // that is not known nothing is kept.
  Secret secret;
};

// kBadCredentials: not of that form, or Basic without a colon or with control characters.
Result<Credentials> parse_credentials(std::string_view value);

}  // namespace penstock::http
