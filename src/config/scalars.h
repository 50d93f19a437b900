// Durations, sizes and rates as people write them: a whole number and a unit, nothing else. A bare
// number is refused, since "timeout: 30" has meant seconds here and milliseconds there.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "admission/gcra.h"
#include "base/time.h"

namespace penstock::config {

// No duration here is longer: a year. Sums of a few cannot overflow.
inline constexpr Duration kDurationMax = std::chrono::hours(8760);
// No count here is larger.
inline constexpr uint64_t kCountMax = 1'000'000'000;
// No size or rate here is larger: 1 PiB.
inline constexpr uint64_t kSizeMax = uint64_t{1} << 50;

// "250ms", "10s", "15m", "1h"; "0s". Empty: not one, or longer than kDurationMax.
std::optional<Duration> parse_duration(std::string_view text);

// "512B", "16KiB", "1MiB", "2GiB" as bytes. Empty: not one, or larger than kSizeMax.
std::optional<uint64_t> parse_size(std::string_view text);

// "10MiB/s" as bytes per second; a bare "0" is none. Empty: not one.
std::optional<uint64_t> parse_bandwidth(std::string_view text);

// "50/s", "300/m", "1000/h", "5000/d" as so many in so long. Empty: not one, none, or more than
// kCountMax.
std::optional<admission::Ration> parse_count_rate(std::string_view text);
// "10GiB/h" in the same way, at most kSizeMax.
std::optional<admission::Ration> parse_size_rate(std::string_view text);

// In the largest unit that leaves no remainder: what parse_duration reads back.
std::string duration_text(Duration duration);
// The same for parse_size.
std::string size_text(uint64_t bytes);
// "/s", "/m", "/h", "/d".
std::string per_text(Duration per);

}  // namespace penstock::config
