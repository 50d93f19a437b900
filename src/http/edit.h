// Fields that a proxy takes out of a request, and others that it puts in: credentials, say, that
// the client is not to hold. Pure.   Thread: any.   Cost: linear in bytes, times the fields named.
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
  std::vector<std::string> removed;  // folded names
  std::vector<Set> set;              // in place of whatever the client sent by that name

  bool empty() const { return removed.empty() && set.empty(); }
};

// A field's name as it is compared here: in lower case, with '-' for '_'. Programs that get their
// fields by CGI's rules (RFC 3875 section 4.1.18) see X_Key and X-Key as one.
std::string folded_name(std::string_view name);

// Whether an owner may set or remove the field of that folded name. Not what says where a message
// goes and ends, or what is between neighbours alone: that is the proxy's to write.
bool may_edit(std::string_view folded);

// What may stand behind "Name: ": no control byte but the tab, no white space at its ends, not
// empty.
bool is_field_value(std::string_view value);

// `head` is whole, from its first line to the empty one, as it is sent on: a client could have
// listed a field in Connection, and the next hop would drop it. The first line stays as it is.
std::string edit_head(std::string_view head, const FieldEdits& edits);

}  // namespace penstock::http
