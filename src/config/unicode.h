// Whether a text is one that a person can have read: valid UTF-8 without control characters.
#pragma once

#include <optional>
#include <string_view>

#include "base/fault.h"

namespace penstock::config {

// The first byte of `text` that is not valid UTF-8 (RFC 3629) or is a control character other than
// tab, line feed and carriage return. Also refused: C1 controls, and the direction overrides and
// isolates that make a line read differently from what it says (CVE-2021-42574). Columns count
// bytes. A byte order mark is allowed at the start.
std::optional<Place> find_unprintable(std::string_view text);

}  // namespace penstock::config
