// The pieces that field values are made of (RFC 9110 section 5.6, RFC 8941): tokens, and lists of
// members with parameters, in which a quoted string may hold any separator.
// Pure.   Cost: linear in bytes, no allocation.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "base/ascii.h"

namespace penstock::http {

constexpr bool is_token_byte(char c) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return is_alpha(c) || is_digit(c) || kMarks.find(c) != kMarks.npos;
}

constexpr bool is_token(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, is_token_byte);
}

// Control bytes other than the tab, which is white space.
constexpr bool is_control(char c) {
  const auto byte = static_cast<uint8_t>(c);
  return (byte < 0x20 && c != '\t') || byte == 0x7f;
}

constexpr std::string_view trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t";
  const size_t first = text.find_first_not_of(kSpace);
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

// Of a hexadecimal digit.
constexpr int hex_value(char c) {
  return is_digit(c) ? c - '0' : to_lower(c) - 'a' + 10;
}

// What stands before the next `mark` that is in no quoted string (RFC 8941 section 3.3.3), taken
// off `rest` together with the mark.
constexpr std::string_view take_until(char mark, std::string_view& rest) {
  bool quoted = false;
  size_t at = 0;
  for (; at < rest.size() && (quoted || rest[at] != mark); ++at) {
    if (rest[at] == '"') quoted = !quoted;
    if (quoted && rest[at] == '\\') ++at;
  }
  at = std::min(at, rest.size());
  const std::string_view taken = rest.substr(0, at);
  rest.remove_prefix(std::min(at + 1, rest.size()));
  return taken;
}

}  // namespace penstock::http
