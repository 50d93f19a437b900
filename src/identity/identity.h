// Who asks, once that is known: a name, and the groups it is in. Made once and shared by all
// connections that are his.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace penstock::identity {

struct Identity {
  std::string name;
  std::vector<std::string> groups;
  friend bool operator==(const Identity&, const Identity&) = default;
};
// Null: nobody was identified.
using IdentityPtr = std::shared_ptr<const Identity>;

// By what somebody can be identified.
enum class Provider : uint8_t { kClients, kCertificate, kBasic, kJwt, kNegotiate, kAuthorizer };
inline constexpr int kProviderCount = 6;
// For metrics; also the key that begins the provider in the configuration.
std::string_view provider_word(Provider provider);

// Names go into log lines, quotas and rules; a provider that says a longer one is not believed, nor
// one that says a control character, or more groups.
inline constexpr size_t kNameBytesMax = 256;
inline constexpr size_t kGroupsMax = 256;
bool is_name(std::string_view text);
// The name and every group.
bool is_sound(const Identity& identity);

}  // namespace penstock::identity
