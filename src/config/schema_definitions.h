// The second half of the JSON Schema: the values that several keys have, or that are long.
#pragma once

#include <string_view>

namespace penstock::config {

// The member "$defs" of the schema.
std::string_view schema_definitions();

}  // namespace penstock::config
