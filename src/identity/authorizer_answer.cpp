#include "identity/authorizer_answer.h"

#include <algorithm>

#include "http/structured.h"
#include "identity/strict_json.h"

namespace penstock::identity {

using nlohmann::json;

namespace {

std::unexpected<std::string_view> bad(std::string_view why) {
  return std::unexpected(why);
}

Named sound(Identity who) {
  if (!is_sound(who)) {
    return bad("its answer has an empty or too long name, or too many groups");
  }
  return who;
}

// What a field may hold is read in many ways beyond ASCII.
bool is_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
}

}  // namespace

Named read_answer(std::string_view body) {
  if (body.size() > kAnswerBytesMax) return bad("its answer is too large");
  const auto document = parse_strict(body);
  if (!document || !document->is_object()) {
    return bad("its answer is no JSON object, or one with a name twice");
  }
  for (const auto& [name, value] : document->items()) {
    if (name != "identity" && name != "groups") {
      return bad("its answer has a member that is neither identity nor groups");
    }
  }
  const std::string* name = string_in(*document, "identity");
  if (name == nullptr) return bad("its answer has no identity that is text");
  Identity out{*name, {}};
  const auto groups = document->find("groups");
  if (groups == document->end()) return sound(std::move(out));
  if (!groups->is_array()) return bad("its answer has groups that are no list of texts");
  for (const json& group : *groups) {
    const auto* text = group.get_ptr<const std::string*>();
    if (text == nullptr) return bad("its answer has groups that are no list of texts");
    if (out.groups.size() > kGroupsMax) break;
    out.groups.push_back(*text);
  }
  return sound(std::move(out));
}

Named read_answer_fields(const fetch::Reply& reply, const std::string& identity,
                         const std::string& groups) {
  const std::string* name = reply.field(identity);
  if (name == nullptr || !is_ascii(*name)) {
    return bad("its answer has not one field of ASCII with the identity");
  }
  Identity out{*name, {}};
  const auto is_groups = [&](const auto& field) { return field.first == groups; };
  const auto count = groups.empty() ? 0 : std::ranges::count_if(reply.fields, is_groups);
  if (count == 0) return sound(std::move(out));
  const std::string* list = reply.field(groups);
  if (list == nullptr || !is_ascii(*list)) {
    return bad("its answer has not one field of ASCII with the groups");
  }
  if (list->empty()) return sound(std::move(out));
  // A comma at the end has an empty group behind it, which is not sound.
  std::string_view rest = *list;
  for (bool more = true; more && out.groups.size() <= kGroupsMax;) {
    const size_t comma = rest.find(',');
    more = comma != rest.npos;
    out.groups.emplace_back(http::trim(rest.substr(0, comma)));
    if (more) rest.remove_prefix(comma + 1);
  }
  return sound(std::move(out));
}

}  // namespace penstock::identity
