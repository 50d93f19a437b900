// JSON from a stranger: a value, or nothing. No name stands twice in an object, since two readers
// would each believe another one (RFC 7515 section 4); no text behind the value; at most 8 levels.
// Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

namespace penstock::identity {

std::optional<nlohmann::json> parse_strict(std::string_view text);

// `object[name]` where it is a string; null: it is not there, or something else.
const std::string* string_in(const nlohmann::json& object, const char* name);

}  // namespace penstock::identity
