#include "config/scalars.h"

#include <algorithm>
#include <array>

#include "base/ascii.h"

namespace penstock::config {
namespace {

struct Unit {
  std::string_view suffix;
  uint64_t factor;
};

// Largest first, as the *_text functions need it.
constexpr std::array kDurationUnits = {Unit{"h", 3'600'000}, Unit{"m", 60'000}, Unit{"s", 1000},
                                       Unit{"ms", 1}};
constexpr std::array kSizeUnits = {Unit{"GiB", uint64_t{1} << 30}, Unit{"MiB", uint64_t{1} << 20},
                                   Unit{"KiB", uint64_t{1} << 10}, Unit{"B", 1}};

// A number and one of `units`; the product is at most `max`.
template <size_t n>
std::optional<uint64_t> parse_with_unit(std::string_view text, const std::array<Unit, n>& units,
                                        uint64_t max) {
  const auto digits = static_cast<size_t>(std::ranges::find_if_not(text, is_digit) - text.begin());
  const auto unit = std::ranges::find(units, text.substr(digits), &Unit::suffix);
  if (unit == units.end()) return std::nullopt;
  const auto count = parse_decimal(text.substr(0, digits), max / unit->factor);
  if (!count) return std::nullopt;
  return *count * unit->factor;
}

template <size_t n>
std::string text_with_unit(uint64_t value, const std::array<Unit, n>& units) {
  const auto unit = std::ranges::find_if(
      units, [value](const Unit& candidate) { return value % candidate.factor == 0; });
  return std::to_string(value / unit->factor) + std::string(unit->suffix);
}

// The intervals that a rate may have; the suffix as it is written.
constexpr std::array kIntervals = {Unit{"/d", 86'400}, Unit{"/h", 3600}, Unit{"/m", 60},
                                   Unit{"/s", 1}};

template <class ParseCount>
std::optional<admission::Ration> parse_rate(std::string_view text, ParseCount&& parse_count) {
  const size_t slash = std::min(text.find('/'), text.size());
  const auto interval = std::ranges::find(kIntervals, text.substr(slash), &Unit::suffix);
  if (interval == kIntervals.end()) return std::nullopt;
  const auto count = parse_count(text.substr(0, slash));
  if (!count || *count == 0) return std::nullopt;
  return admission::Ration{*count, std::chrono::seconds(interval->factor)};
}

constexpr auto kMillisMax = static_cast<uint64_t>(
    std::chrono::duration_cast<std::chrono::milliseconds>(kDurationMax).count());

}  // namespace

std::optional<Duration> parse_duration(std::string_view text) {
  const auto millis = parse_with_unit(text, kDurationUnits, kMillisMax);
  if (!millis) return std::nullopt;
  return std::chrono::milliseconds(*millis);
}

std::optional<uint64_t> parse_size(std::string_view text) {
  return parse_with_unit(text, kSizeUnits, kSizeMax);
}

std::optional<uint64_t> parse_bandwidth(std::string_view text) {
  if (text == "0") return 0;
  if (!text.ends_with("/s")) return std::nullopt;
  return parse_size(text.substr(0, text.size() - 2));
}

std::optional<admission::Ration> parse_count_rate(std::string_view text) {
  return parse_rate(text, [](std::string_view count) { return parse_decimal(count, kCountMax); });
}

std::optional<admission::Ration> parse_size_rate(std::string_view text) {
  return parse_rate(text, parse_size);
}

std::string duration_text(Duration duration) {
  if (duration == Duration::zero()) return "0s";
  const auto millis = std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
  return text_with_unit(static_cast<uint64_t>(millis), kDurationUnits);
}

std::string size_text(uint64_t bytes) {
  return bytes == 0 ? "0B" : text_with_unit(bytes, kSizeUnits);
}

std::string per_text(Duration per) {
  const auto seconds = static_cast<uint64_t>(per / std::chrono::seconds(1));
  const auto interval = std::ranges::find(kIntervals, seconds, &Unit::factor);
  return interval == kIntervals.end() ? std::string() : std::string(interval->suffix);
}

}  // namespace penstock::config
