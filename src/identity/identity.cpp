#include "identity/identity.h"

#include <algorithm>

namespace penstock::identity {

std::string_view provider_word(Provider provider) {
  switch (provider) {
    case Provider::kClients: return "clients";
    case Provider::kCertificate: return "certificate";
    case Provider::kBasic: return "basic";
    case Provider::kJwt: return "jwt";
    case Provider::kNegotiate: return "negotiate";
    case Provider::kAuthorizer: return "authorizer";
  }
  return "clients";
}

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= kNameBytesMax && std::ranges::none_of(text, [](char c) {
    return static_cast<uint8_t>(c) < 0x20 || c == 0x7f;
  });
}

bool is_sound(const Identity& identity) {
  return is_name(identity.name) && identity.groups.size() <= kGroupsMax &&
         std::ranges::all_of(identity.groups, is_name);
}

}  // namespace penstock::identity
