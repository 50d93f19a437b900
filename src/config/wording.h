// The words that faults are made of: what a person wrote, quoted; and the word that was meant.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace penstock::config {

// "text" on one line: control characters escaped, cut after some 60 bytes.
std::string quote(std::string_view text);

// "a", "a or b", "a, b or c".
std::string alternatives(std::span<const std::string_view> words);
// "a", "a and b", "a, b and c".
std::string listed(std::span<const std::string_view> words);

// The candidate that `word` was probably meant to be: at most two letters wrong, missing, added
// or swapped, and most letters right. Empty: none is near.
std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates);

}  // namespace penstock::config
