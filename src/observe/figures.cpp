#include "observe/figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace penstock::observe {
namespace {

// `value` with three significant digits, none of them behind a point from 100 on.
std::string three_digits(double value) {
  if (value >= 99.95) return fmt::format("{:.0f}", value);
  if (value >= 9.995) return fmt::format("{:.1f}", value);
  return fmt::format("{:.2f}", value);
}

}  // namespace

std::string latency_text(Duration latency) {
  struct Unit {
    double nanos;
    const char* name;
  };
  static constexpr std::array kUnits = {Unit{1e9, "s"}, Unit{1e6, "ms"}, Unit{1e3, "us"}};
  const auto nanos = static_cast<double>(latency.count());
  for (const Unit& unit : kUnits) {
    // 999.6 us would read "1000 us".
    if (nanos >= 0.9995 * unit.nanos) {
      return three_digits(nanos / unit.nanos) + " " + unit.name;
    }
  }
  return fmt::format("{} ns", latency.count());
}

std::string count_text(uint64_t count) {
  std::string out = fmt::format("{}", count);
  for (size_t end = out.size(); end > 3; end -= 3) out.insert(end - 3, ",");
  return out;
}

std::string bytes_text(double bytes) {
  static constexpr std::array kUnits = {"KiB", "MiB", "GiB", "TiB"};
  if (bytes < 1024) return fmt::format("{:.0f} B", bytes);
  size_t unit = 0;
  for (bytes /= 1024; bytes >= 1023.5 && unit + 1 < kUnits.size(); ++unit) bytes /= 1024;
  return three_digits(bytes) + " " + kUnits[unit];
}

std::string rate_text(double per_second) {
  if (per_second >= 999.5) return count_text(static_cast<uint64_t>(std::llround(per_second)));
  return per_second > 0 && per_second < 1 ? fmt::format("{:.3f}", per_second)
                                          : three_digits(per_second);
}

std::string round_time_text(double nanos) {
  if (nanos < 1e3) return fmt::format("{:g} ns", nanos);
  if (nanos < 1e6) return fmt::format("{:g} us", nanos / 1e3);
  if (nanos < 1e9) return fmt::format("{:g} ms", nanos / 1e6);
  return fmt::format("{:g} s", nanos / 1e9);
}

std::string seconds_text(double seconds) {
  constexpr double kMost = 9e9;  // what a Duration holds
  return latency_text(std::chrono::duration_cast<Duration>(
      std::chrono::duration<double>(std::min(seconds, kMost))));
}

}  // namespace penstock::observe
