#include "load/wording.h"

#include <fmt/format.h>

#include <array>
#include <cmath>

#include "base/check.h"
#include "config/scalars.h"

namespace penstock::load {
namespace {

// `value` with three significant digits, none of them behind a point from 100 on.
std::string three_digits(double value) {
  if (value >= 99.95) return fmt::format("{:.0f}", value);
  if (value >= 9.995) return fmt::format("{:.1f}", value);
  return fmt::format("{:.2f}", value);
}

std::string plural(size_t count, std::string_view word) {
  return fmt::format("{} {}{}", count_text(count), word, count == 1 ? "" : "s");
}

}  // namespace

std::string_view word(Mode mode) {
  switch (mode) {
    case Mode::kSetup: return "setup";
    case Mode::kRtt: return "rtt";
    case Mode::kBulk: return "bulk";
    case Mode::kIdle: return "idle";
    case Mode::kMix: return "mix";
  }
  PENSTOCK_CHECK(false);
}

std::string_view word(Way way) {
  switch (way) {
    case Way::kConnect: return "connect";
    case Way::kRelay: return "relay";
    case Way::kDirect: return "direct";
  }
  PENSTOCK_CHECK(false);
}

std::string_view units_of(Mode mode) {
  switch (mode) {
    case Mode::kSetup: return "set-ups";
    case Mode::kRtt: return "round trips";
    case Mode::kBulk: return "streams";
    case Mode::kIdle: return "idle tunnels";
    case Mode::kMix: return "conversations";
  }
  PENSTOCK_CHECK(false);
}

const Histogram& main_latency(Mode mode, const Results& results) {
  if (mode == Mode::kRtt) return results.round_trip;
  if (mode == Mode::kBulk) return results.stream;
  return results.setup;
}

std::string_view main_latency_is(Mode mode) {
  if (mode == Mode::kRtt) return "round trip";
  if (mode == Mode::kBulk) return "time of a whole stream";
  return "set-up, until the first byte came back";
}

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

std::string what_ran(const Options& options) {
  std::string out(word(options.mode));
  if (options.mode == Mode::kBulk) {
    static constexpr std::array kWords = {"up", "down", "both ways"};
    out += fmt::format(" of {} {}", config::size_text(options.bytes),
                       kWords[static_cast<size_t>(options.direction)]);
  }
  if (options.mode == Mode::kRtt) out += " of " + config::size_text(options.bytes);
  switch (options.way) {
    case Way::kConnect:
      out += " by CONNECT through " + options.proxy.text() + " to " + options.target.text();
      break;
    case Way::kRelay: out += " through the relay " + options.proxy.text(); break;
    case Way::kDirect: out += " directly to " + options.target.text(); break;
  }
  return options.tls ? out + ", TLS" : out;
}

std::string how_it_ran(const Options& options) {
  const auto connections = static_cast<size_t>(options.connections);
  std::string out;
  if (options.mode == Mode::kIdle) {
    out = plural(connections, "tunnel");
  } else if (options.rate > 0) {
    out = fmt::format("open loop of {}/s, gaps {}", rate_text(options.rate),
                      options.arrivals == Arrivals::kFixed ? "fixed" : "exponential");
    if (options.mode == Mode::kRtt) out += " over " + plural(connections, "tunnel");
  } else {
    out = "closed loop of " + plural(connections, "connection");
  }
  out += ", " + plural(static_cast<size_t>(options.threads), "thread");
  if (!options.sources.empty()) {
    out += fmt::format(", {} source address{}", options.sources.size(),
                       options.sources.size() == 1 ? "" : "es");
  }
  return out + fmt::format(", seed {}", options.seed);
}

double per_second(const Results& results) {
  const double seconds = std::chrono::duration<double>(results.elapsed).count();
  return seconds > 0 ? static_cast<double>(results.finished) / seconds : 0;
}

}  // namespace penstock::load
