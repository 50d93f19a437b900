// Fields that a proxy takes out of a request, and others that it puts in: credentials, say, that the
// client is not to hold. Pure.   Thread: any.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace penstock::http {

struct FieldEdits {
  struct Set {
    std::string name;
    std::string value;  // may be a secret, and is in no message
  };
  std::vector<std::string> removed;  // names, in lower case
  std::vector<Set> set;              // in place of whatever the client sent by that name

  bool empty() const { return removed.empty() && set.empty(); }
};

// `head` is whole, from its first line to the empty one.
std::string edit_head(std::string_view head, const FieldEdits& edits);

}  // namespace penstock::http
