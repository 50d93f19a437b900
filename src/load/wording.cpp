#include "load/wording.h"

#include <fmt/format.h>

#include <array>

#include "base/check.h"
#include "config/scalars.h"

namespace penstock::load {
namespace {

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
