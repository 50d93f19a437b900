// A file of groups, "group: user user" a line, as Apache's AuthGroupFile has them.
// Pure.   Limits: 8 MiB.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/fault.h"

namespace penstock::identity {

class GroupsFile {
 public:
  // Everything that is wrong with `text`, by line, or the groups in it. A group may stand on
  // several lines.
  static std::expected<GroupsFile, Faults> parse(std::string_view text);

  // In the order of the file; empty: none.
  const std::vector<std::string>& groups_of(const std::string& user) const;

 private:
  std::unordered_map<std::string, std::vector<std::string>> by_user_;
};

// Those in the file that the configuration names, if it names one, or none and its faults.
GroupsFile read_groups(const Located<std::string>& file, Faults& faults);

}  // namespace penstock::identity
