#include "cli/option_reader.h"

#include <charconv>
#include <cmath>

#include "config/scalars.h"

namespace penstock::cli {

std::optional<double> parse_number(std::string_view text) {
  double value = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value, std::chars_format::fixed);
  if (error != std::errc() || stopped != end || !std::isfinite(value)) return std::nullopt;
  return value;
}

std::optional<Duration> parse_fine_duration(std::string_view text) {
  for (const auto& [suffix, nanos] : {std::pair(std::string_view("us"), 1000), {"ns", 1}}) {
    if (!text.ends_with(suffix)) continue;
    const auto count = parse_decimal(text.substr(0, text.size() - suffix.size()),
                                     static_cast<uint64_t>(config::kDurationMax.count() / nanos));
    if (!count) return std::nullopt;
    return Duration(static_cast<int64_t>(*count) * nanos);
  }
  return config::parse_duration(text);
}

bool OptionReader::read_decimal(const char* option, const Word& word, double low, double high,
                                double* out) {
  if (!word) return true;
  const auto number = parse_number(*word);
  if (!number || *number < low || *number > high) {
    return fail("{}: \"{}\" is no number from {:g} to {:g}", option, *word, low, high);
  }
  *out = *number;
  return true;
}

bool OptionReader::read_duration(const char* option, const Word& word, bool zero_is_fine,
                                 Duration* out) {
  if (!word) return true;
  const auto duration = parse_fine_duration(*word);
  if (!duration || (!zero_is_fine && *duration == Duration::zero())) {
    return fail("{}: \"{}\" is no {}; write a whole number with a unit, such as 500ms or 10s",
                option, *word, zero_is_fine ? "duration" : "duration longer than nothing");
  }
  *out = *duration;
  return true;
}

bool OptionReader::read_rate(const char* option, const Word& word, double* out) {
  if (!word) return true;
  constexpr double kLow = 0.001, kHigh = 10e6;
  std::string_view text = *word;
  if (text.ends_with("/s")) text.remove_suffix(2);
  const auto rate = parse_number(text);
  if (!rate || *rate < kLow || *rate > kHigh) {
    return fail("{}: \"{}\" is no rate from 0.001 to 10000000 a second; write 500 or 500/s", option,
                *word);
  }
  *out = *rate;
  return true;
}

bool OptionReader::read_http_address(const char* option, const Word& word, std::string_view port,
                                     Endpoint* out) {
  if (!word) return true;
  std::string_view text = *word;
  if (text.starts_with("http://")) text.remove_prefix(7);
  if (text.ends_with('/')) text.remove_suffix(1);
  const auto endpoint = Endpoint::parse(text);
  if (!endpoint || endpoint->port == 0) {
    return fail(
        "{0}: \"{1}\" is no address with a port; write http://127.0.0.1:{2} or http://[::1]:{2}",
        option, *word, port);
  }
  *out = *endpoint;
  return true;
}

}  // namespace penstock::cli
