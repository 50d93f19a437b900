// Lines and words of the resolver's two text files.
#pragma once

#include <algorithm>
#include <string_view>

namespace penstock::dns {

// Cuts the first line off `text`, without its line ending.
inline std::string_view take_line(std::string_view& text) {
  const size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(text.size(), end + 1));
  return line;
}

// Cuts the first word off `line`; empty: there is none.
inline std::string_view take_word(std::string_view& line) {
  constexpr std::string_view kBlank = " \t\r\f\v";
  line.remove_prefix(std::min(line.find_first_not_of(kBlank), line.size()));
  const std::string_view word = line.substr(0, line.find_first_of(kBlank));
  line.remove_prefix(word.size());
  return word;
}

}  // namespace penstock::dns
