#include "identity/groups_file.h"

#include <algorithm>

#include "base/words.h"
#include "identity/htpasswd.h"
#include "identity/identity.h"
#include "identity/read_file.h"

namespace penstock::identity {
namespace {

constexpr std::string_view kBlanks = " \t";

}  // namespace

std::expected<GroupsFile, Faults> GroupsFile::parse(std::string_view text) {
  GroupsFile out;
  Faults faults;
  if (text.size() > kUsersBytesMax) return std::unexpected(Faults{{{}, "is larger than 8 MiB"}});
  for (int number = 1; !text.empty(); ++number) {
    std::string_view line = take_line(text);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.starts_with('#') || line.find_first_not_of(kBlanks) == line.npos) continue;
    const size_t colon = line.find(':');
    std::string_view head = line.substr(0, std::min(colon, line.size()));
    const std::string_view group = take_word(head, kBlanks);
    if (colon == line.npos || !is_name(group) || !take_word(head, kBlanks).empty()) {
      faults.push_back({{number, 1}, "is not group: user user"});
      continue;
    }
    std::string_view rest = line.substr(colon + 1);
    for (auto user = take_word(rest, kBlanks); !user.empty(); user = take_word(rest, kBlanks)) {
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

GroupsFile read_groups(const Located<std::string>& file, Faults& faults) {
  if (file.value.empty()) return {};
  auto groups = GroupsFile::parse(text_of(file, kUsersBytesMax, faults));
  if (groups) return std::move(*groups);
  tell(groups.error(), file, faults);
  return {};
}

}  // namespace penstock::identity
