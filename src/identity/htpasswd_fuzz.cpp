// Lines of users and groups: what is accepted has sound names and whole hashes, and a fault never
// shows what stands behind the colon. No hash is computed: that would be all that is measured.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "identity/groups_file.h"
#include "identity/htpasswd.h"
#include "identity/identity.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace penstock;
  using namespace penstock::identity;
  constexpr size_t kLeast = 3 + 43;  // yescrypt: "$y$" and its digest
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto users = Passwords::parse(text)) {
    const std::string_view user = text.substr(0, text.find(':'));
    const std::string_view hash = users->hash_of(user);
    if (!hash.empty() && (!is_name(user) || !hash.starts_with('$') || hash.size() < kLeast))
      std::abort();
  } else if (users.error().empty()) {
    std::abort();
  }
  if (const auto groups = GroupsFile::parse(text)) {
    for (const std::string& group : groups->groups_of("ann")) {
      if (!is_name(group)) std::abort();
    }
  }
  return 0;
}
