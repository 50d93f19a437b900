#include "identity/strict_json.h"

#include <string>
#include <unordered_set>
#include <vector>

namespace penstock::identity {

using nlohmann::json;

std::optional<json> parse_strict(std::string_view text) {
  constexpr size_t kDepthMax = 8;
  std::vector<std::unordered_set<std::string>> names;  // of each open object or array
  bool sound = true;
  const auto look = [&](int, json::parse_event_t event, json& parsed) {
    switch (event) {
      case json::parse_event_t::object_start:
      case json::parse_event_t::array_start:
        names.emplace_back();
        sound = sound && names.size() <= kDepthMax;
        break;
      case json::parse_event_t::object_end:
      case json::parse_event_t::array_end: names.pop_back(); break;
      case json::parse_event_t::key:
        sound = sound && names.back().insert(parsed.get<std::string>()).second;
        break;
      case json::parse_event_t::value: break;
    }
    return true;
  };
  json out = json::parse(text, look, false);
  if (!sound || out.is_discarded()) return std::nullopt;
  return out;
}

const std::string* string_in(const json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() ? nullptr : found->get_ptr<const std::string*>();
}

}  // namespace penstock::identity
