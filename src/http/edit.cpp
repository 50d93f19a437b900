#include "http/edit.h"

#include <algorithm>
#include <array>

#include "base/ascii.h"
#include "base/check.h"
#include "http/request_parts.h"
#include "http/structured.h"

namespace penstock::http {
namespace {

bool goes(std::string_view name, const FieldEdits& edits) {
  const std::string folded = folded_name(name);
  return std::ranges::find(edits.removed, folded) != edits.removed.end() ||
         std::ranges::any_of(
             edits.set, [&folded](const auto& field) { return folded_name(field.name) == folded; });
}

}  // namespace

std::string folded_name(std::string_view name) {
  std::string out = lower(name);
  std::ranges::replace(out, '_', '-');
  return out;
}

bool may_edit(std::string_view folded) {
  constexpr std::array<std::string_view, 11> kOurs = {
      "host",        "content-length", "transfer-encoding", "connection", "keep-alive",
      "te",          "trailer",        "upgrade",           "via",        "expect",
      "max-forwards"};
  return std::ranges::find(kOurs, folded) == kOurs.end() && !folded.starts_with("proxy-");
}

bool is_field_value(std::string_view value) {
  return !value.empty() && trim(value) == value && std::ranges::none_of(value, is_control);
}

std::string edit_head(std::string_view head, const FieldEdits& edits) {
  const size_t first_end = head.find(kLineEnd);
  PENSTOCK_CHECK(first_end != head.npos && head.ends_with("\r\n\r\n"));
  const size_t fields_at = first_end + kLineEnd.size();
  std::string out;
  out.reserve(head.size() + 256);
  out += head.substr(0, fields_at);
  std::string_view lines = head.substr(fields_at, head.size() - fields_at - kLineEnd.size());
  Field field;
  for (std::string_view from = lines; take_field(lines, field); from = lines) {
    if (!goes(field.name, edits)) out += from.substr(0, from.size() - lines.size());
  }
  for (const FieldEdits::Set& set : edits.set) {
    out += set.name;
    out += ": ";
    out += set.value;
    out += kLineEnd;
  }
  out += kLineEnd;
  return out;
}

}  // namespace penstock::http
