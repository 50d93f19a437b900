// Reads the words behind a command, one option at a time. What is wrong is said in one sentence:
// what was found and what would be right. A reader of a command's options derives from this one and
// stops at the first `false`; fault_ then has the sentence. A word that was not given changes
// nothing.
// Pure.
#pragma once

#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/ascii.h"
#include "base/ip.h"
#include "base/time.h"
#include "cli/commands.h"

namespace penstock::cli {

// The words that an option may be, and what they mean.
template <class Value, size_t n>
using Words = std::array<std::pair<const char*, Value>, n>;

class OptionReader {
 protected:
  template <class... Arguments>
  bool fail(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
    fault_ = fmt::format(format, std::forward<Arguments>(arguments)...);
    return false;
  }

  template <class Value, size_t n>
  bool read_word(const char* option, const Word& word, const Words<Value, n>& words, Value* out) {
    if (!word) return true;
    std::string known;
    for (const auto& [name, value] : words) {
      if (*word == name) {
        *out = value;
        return true;
      }
      known += (known.empty() ? "" : ", ") + std::string(name);
    }
    return fail("{}: \"{}\" is none of {}", option, *word, known);
  }

  template <class Number>
  bool read_number(const char* option, const Word& word, uint64_t low, uint64_t high, Number* out) {
    if (!word) return true;
    const auto number = parse_decimal(*word, high);
    if (!number || *number < low) {
      return fail("{}: \"{}\" is no whole number from {} to {}", option, *word, low, high);
    }
    *out = static_cast<Number>(*number);
    return true;
  }

  // "1.5": a number with or without a point, from `low` to `high`.
  bool read_decimal(const char* option, const Word& word, double low, double high, double* out);
  // "80us", "10s", "1h": ns, us, ms, s, m or h.
  bool read_duration(const char* option, const Word& word, bool zero_is_fine, Duration* out);
  // "500" or "500/s", from 0.001 to 10,000,000.
  bool read_rate(const char* option, const Word& word, double* out);
  // "http://127.0.0.1:3128", with or without the scheme and a slash behind it. `port` is that of
  // the example.
  bool read_http_address(const char* option, const Word& word, std::string_view port,
                         Endpoint* out);

  bool only_for(const char* option, const Word& word, bool fits, std::string_view where) {
    return !word || fits || fail("{} is for {}", option, where);
  }

  std::string fault_;
};

// The whole of `text` as a number with or without a point; nothing else around it.
std::optional<double> parse_number(std::string_view text);
// As config::parse_duration, and in ns and us as well.
std::optional<Duration> parse_fine_duration(std::string_view text);

}  // namespace penstock::cli
