// Base64 (RFC 4648); back to bytes in its one canonical spelling: no white space, no bits left
// over. Two spellings of one token would be two entries in a cache, and one in a list of revoked
// ones. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace penstock {

// Section 4, with padding.
std::string encode_base64(std::string_view bytes);

// Section 4: with '+', '/' and padding. Empty: not base64.
std::optional<std::string> decode_base64(std::string_view text);

// Section 5 as JOSE has it (RFC 7515 section 2): with '-', '_' and no padding.
std::optional<std::string> decode_base64url(std::string_view text);

}  // namespace penstock
