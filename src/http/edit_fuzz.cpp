// Any good head, edited: it is still one, with the same first line, each set field exactly once and
// no line of what was removed. The input is a head; what is edited comes from its own fields, so
// that there is something to take. Seeds: fuzz/corpus/edit.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "http/edit.h"
#include "http/head.h"
#include "http/request_parts.h"

namespace penstock::http {
namespace {

constexpr HeadLimits kLimits{16 * 1024, 100};
constexpr HeadLimits kEditedLimits{64 * 1024, 200};

// Every third name is removed, and every third is set.
FieldEdits edits_for(const RequestParts& parts) {
  FieldEdits out{{"cookie"}, {{"X-Set", "a value"}}};
  size_t count = 0;
  Field field;
  for (std::string_view lines = parts.lines; take_field(lines, field); ++count) {
    const std::string folded = folded_name(field.name);
    const bool taken = folded == "x-set" || std::ranges::any_of(out.set, [&](const auto& set) {
                         return folded_name(set.name) == folded;
                       });
    if (!may_edit(folded) || taken) continue;
    if (count % 3 == 0) out.removed.push_back(folded);
    if (count % 3 == 1) out.set.push_back({std::string(field.name), "set"});
  }
  return out;
}

size_t count_of(const RequestParts& parts, std::string_view folded) {
  size_t out = 0;
  Field field;
  for (std::string_view lines = parts.lines; take_field(lines, field);) {
    if (folded_name(field.name) == folded) ++out;
  }
  return out;
}

void judge(std::string_view head) {
  const auto before = read_parts(head, kLimits);
  if (!before || head.starts_with("\r\n")) return;
  const FieldEdits edits = edits_for(*before);
  const std::string edited = edit_head(head, edits);
  const auto after = read_parts(edited, kEditedLimits);
  PENSTOCK_CHECK(after.has_value());
  PENSTOCK_CHECK(edited.substr(0, edited.find('\r')) == head.substr(0, head.find('\r')));
  for (const auto& set : edits.set) PENSTOCK_CHECK(count_of(*after, folded_name(set.name)) == 1);
  for (const std::string& removed : edits.removed) {
    const bool set_too = std::ranges::any_of(
        edits.set, [&](const auto& set) { return folded_name(set.name) == removed; });
    PENSTOCK_CHECK(set_too || count_of(*after, removed) == 0);
  }
  PENSTOCK_CHECK(after->keys.host == before->keys.host);
  PENSTOCK_CHECK(after->keys.content_length == before->keys.content_length);
  PENSTOCK_CHECK(edit_head(edited, edits) == edited);
}

}  // namespace
}  // namespace penstock::http

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  penstock::http::judge(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
