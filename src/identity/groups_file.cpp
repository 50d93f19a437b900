#include "identity/groups_file.h"

#include <algorithm>

#include "identity/htpasswd.h"
#include "identity/identity.h"

namespace penstock::identity {
namespace {

std::string_view take_word(std::string_view& rest) {
  rest.remove_prefix(std::min(rest.find_first_not_of(" \t"), rest.size()));
  const std::string_view word = rest.substr(0, rest.find_first_of(" \t"));
  rest.remove_prefix(word.size());
  return word;
}

}  // namespace

std::expected<GroupsFile, Faults> GroupsFile::parse(std::string_view text) {
  GroupsFile out;
  Faults faults;
  if (text.size() > kUsersBytesMax) return std::unexpected(Faults{{{}, "is larger than 8 MiB"}});
  for (int number = 1; !text.empty(); ++number) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.starts_with('#') || line.find_first_not_of(" \t") == line.npos) continue;
    const size_t colon = line.find(':');
    std::string_view head = line.substr(0, std::min(colon, line.size()));
    const std::string_view group = take_word(head);
    if (colon == line.npos || !is_name(group) || !take_word(head).empty()) {
      faults.push_back({{number, 1}, "is not group: user user"});
      continue;
    }
    std::string_view rest = line.substr(colon + 1);
    for (auto user = take_word(rest); !user.empty(); user = take_word(rest)) {
      auto& groups = out.by_user_[std::string(user)];
      if (std::ranges::find(groups, group) != groups.end()) continue;
      groups.emplace_back(group);
      if (!is_name(user) || groups.size() > kGroupsMax) {
        faults.push_back({{number, 1},
                          "has a user whose name is too long, or who is in more than " +
                              std::to_string(kGroupsMax) + " groups"});
        break;
      }
    }
  }
  if (!faults.empty()) return std::unexpected(std::move(faults));
  return out;
}

const std::vector<std::string>& GroupsFile::groups_of(const std::string& user) const {
  static const std::vector<std::string> kNone;
  const auto found = by_user_.find(user);
  return found == by_user_.end() ? kNone : found->second;
}

}  // namespace penstock::identity
