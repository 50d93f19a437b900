#include "http/credentials.h"

#include <algorithm>

#include "base/ascii.h"
#include "base/base64.h"
#include "http/structured.h"

namespace penstock::http {
namespace {

AuthScheme scheme_of(std::string_view word) {
  if (equals_ignoring_case(word, "basic")) return AuthScheme::kBasic;
  if (equals_ignoring_case(word, "bearer")) return AuthScheme::kBearer;
  if (equals_ignoring_case(word, "negotiate")) return AuthScheme::kNegotiate;
  return AuthScheme::kOther;
}

bool is_token68(std::string_view text) {
  while (text.ends_with('=')) text.remove_suffix(1);
  static constexpr std::string_view kMarks = "-._~+/";
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return is_alpha(c) || is_digit(c) || kMarks.find(c) != kMarks.npos;
  });
}

// RFC 7617 section 2: a colon ends the user, and neither part holds control characters.
bool is_user_and_password(std::string_view text) {
  return text.find(':') != text.npos && std::ranges::none_of(text, [](char c) {
           return static_cast<uint8_t>(c) < 0x20 || c == 0x7f;
         });
}

}  // namespace

Result<Credentials> parse_credentials(std::string_view value) {
  if (value.size() > kTicketBytesMax) return fail(Code::kBadCredentials);
  const size_t space = std::min(value.find(' '), value.size());
  const std::string_view word = value.substr(0, space);
  if (!is_token(word)) return fail(Code::kBadCredentials);
  const AuthScheme scheme = scheme_of(word);
  if (scheme == AuthScheme::kOther) return Credentials{};
  if (value.size() > kCredentialBytesMax && scheme != AuthScheme::kNegotiate) {
    return fail(Code::kBadCredentials);
  }
  std::string_view token = value.substr(space);
  token.remove_prefix(std::min(token.find_first_not_of(' '), token.size()));
  if (!is_token68(token)) return fail(Code::kBadCredentials);
  if (scheme != AuthScheme::kBasic) return Credentials{scheme, Secret(token)};
  auto decoded = decode_base64(token);
  if (!decoded) return fail(Code::kBadCredentials);
  Result<Credentials> out = fail(Code::kBadCredentials);
  if (is_user_and_password(*decoded)) out = Credentials{scheme, Secret(*decoded)};
  wipe(*decoded);
  return out;
}

}  // namespace penstock::http
