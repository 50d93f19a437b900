// Lines and words of small text files that people write.
#pragma once

#include <algorithm>
#include <string_view>

namespace penstock {

// Cuts the first line off `text`, without its line ending.
inline std::string_view take_line(std::string_view& text) {
  const size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(text.size(), end + 1));
  return line;
}

// Cuts the first word off `line`; empty: there is none. Words stand between any of `blanks`.
inline std::string_view take_word(std::string_view& line, std::string_view blanks = " \t\r\f\v") {
  line.remove_prefix(std::min(line.find_first_not_of(blanks), line.size()));
  const std::string_view word = line.substr(0, line.find_first_of(blanks));
  line.remove_prefix(word.size());
  return word;
}

}  // namespace penstock
