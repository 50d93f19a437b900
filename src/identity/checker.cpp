#include "identity/checker.h"

namespace penstock::identity {

std::string challenge_of(http::AuthScheme scheme, const std::string& realm,
                         std::optional<Code> refused) {
  if (scheme == http::AuthScheme::kBasic) {
    return "Basic realm=\"" + realm + "\", charset=\"UTF-8\"";
  }
  const std::string out = "Bearer realm=\"" + realm + "\"";
  return refused ? out + ", error=\"invalid_token\"" : out;
}

}  // namespace penstock::identity
