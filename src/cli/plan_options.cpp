#include "cli/plan_options.h"

#include <fmt/format.h>

#include <cmath>
#include <fstream>
#include <string_view>
#include <utility>

#include "admission/descriptors.h"
#include "cli/option_reader.h"
#include "config/scalars.h"
#include "config/wording.h"

namespace penstock::cli {
namespace {

constexpr uint64_t kWorkersMax = 4096;
constexpr uint64_t kDestinationsMax = 1'000'000;
constexpr size_t kTimesMax = 10'000'000;

// Of a set-up and of a GiB, on the machine of docs/performance.md.
constexpr double kCpuPerConnect = 80e-6;
constexpr double kCpuPerGib = 0.215;

double seconds_of(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

// "4Gbit/s" or "500MiB/s" as bytes per second.
std::optional<double> parse_bandwidth(std::string_view text) {
  if (const auto bytes = config::parse_bandwidth(text)) return static_cast<double>(*bytes);
  constexpr std::pair<std::string_view, double> kBits[] = {
      {"Tbit/s", 1e12}, {"Gbit/s", 1e9}, {"Mbit/s", 1e6}, {"kbit/s", 1e3}, {"bit/s", 1}};
  for (const auto& [suffix, bits] : kBits) {
    if (!text.ends_with(suffix)) continue;
    const auto number = parse_number(text.substr(0, text.size() - suffix.size()));
    if (!number || *number < 0 || *number * bits > 1e18) return std::nullopt;
    return *number * bits / 8;
  }
  return std::nullopt;
}

class PlanReader : private OptionReader {
 public:
  PlanReader(const PlanOptions& written, const std::optional<Capacity>& measured)
      : written_(written), live_(measured.has_value()) {
    if (measured) out_.measured = *measured;
  }

  std::expected<std::optional<Endpoint>, std::string> read_from() {
    Endpoint at;
    if (!read_http_address("--from", written_.from, "3129", &at)) return std::unexpected(fault_);
    return written_.from ? std::optional(at) : std::nullopt;
  }

  std::expected<IncidentRequest, std::string> read_incident();
  std::expected<PlanRequest, std::string> read() {
    const auto from = read_from();
    if (!from || !read_demand() || !read_variation() || !read_goal() || !read_limits() ||
        !read_simulation() || !read_plot(&out_.plot)) {
      return std::unexpected(fault_);
    }
    out_.from = *from;
    out_.json = written_.json;
    return out_;
  }

 private:
  // Where a figure comes from: the option, else what was measured. Neither: false, with the
  // example that would be right.
  bool required(const char* option, const Word& word, const std::optional<double>& measured,
                const char* example, double* out) {
    if (word) return true;
    if (measured && *measured > 0) {
      *out = *measured;
      return true;
    }
    if (live_) {
      return fail("the proxy has not measured what {0} says; write {0} {1}", option, example);
    }
    return fail("{0} is missing; write {0} {1}, or --from http://127.0.0.1:3129 to ask a proxy",
                option, example);
  }

  // The same with a figure to fall back on, which is said.
  void otherwise(const char* option, const Word& word, const std::optional<double>& measured,
                 double fallback, std::string_view shown, double* out) {
    if (word) return;
    if (measured) {
      *out = *measured;
      return;
    }
    *out = fallback;
    out_.assumed.push_back(fmt::format("{} {}", option, shown));
  }

  bool read_seconds(const char* option, const Word& word, bool zero_is_fine, double* out) {
    Duration duration{};
    if (!word) return true;
    if (!read_duration(option, word, zero_is_fine, &duration)) return false;
    *out = seconds_of(duration);
    return true;
  }

  bool read_plot(std::string* out) {
    *out = written_.plot.value_or("");
    return !written_.plot || !out->empty() || fail("--plot: \"\" is no file name");
  }

  bool read_share(const char* option, const Word& word, double* out);
  bool read_size(const char* option, const Word& word, uint64_t* out);
  bool read_times(const char* option, const Word& word, std::vector<double>* out);
  bool read_demand();
  bool read_work();
  bool read_variation();
  bool read_goal();
  bool read_limits();
  void take_limits_of_the_proxy();
  bool read_simulation();

  const PlanOptions& written_;
  const bool live_;
  PlanRequest out_;
};

bool PlanReader::read_demand() {
  const Capacity& live = out_.measured;
  plan::Demand& demand = out_.demand;
  if (live_ && !written_.rate && live.lambda == 0.0) {
    return fail("the proxy has had no set-up {}; ask it under load, or write --rate 100/s",
                live.window_seconds ? fmt::format("for {:.3g} s", *live.window_seconds)
                                    : std::string("lately"));
  }
  return read_rate("--rate", written_.rate, &demand.rate) &&
         read_seconds("--setup-time", written_.setup_time, false, &demand.setup_seconds) &&
         read_seconds("--lifetime", written_.lifetime, false, &demand.lifetime_seconds) &&
         required("--rate", written_.rate, live.lambda, "1000/s", &demand.rate) &&
         required("--setup-time", written_.setup_time, live.setup_seconds, "35ms",
                  &demand.setup_seconds) &&
         required("--lifetime", written_.lifetime, live.tunnel_seconds, "90s",
                  &demand.lifetime_seconds) &&
         read_work();
}

// What set-ups and bytes cost, and where they go.
bool PlanReader::read_work() {
  const Capacity& live = out_.measured;
  plan::Demand& demand = out_.demand;
  if (written_.bandwidth) {
    const auto bandwidth = parse_bandwidth(*written_.bandwidth);
    if (!bandwidth) {
      return fail("--bandwidth: \"{}\" is no bandwidth; write 4Gbit/s or 500MiB/s",
                  *written_.bandwidth);
    }
    demand.bytes_per_second = *bandwidth;
  }
  if (!read_seconds("--cpu-per-connect", written_.cpu_per_connect, false,
                    &demand.cpu_per_connect) ||
      !read_seconds("--cpu-per-gib", written_.cpu_per_gib, true, &demand.cpu_per_gib) ||
      !read_number("--destinations", written_.destinations, 1, kDestinationsMax,
                   &demand.destinations)) {
    return false;
  }
  otherwise("--bandwidth", written_.bandwidth, live.bytes_per_second, 0, "0",
            &demand.bytes_per_second);
  // A proxy's time per set-up has that of carrying in it already.
  const bool whole = live.cpu_per_connect_seconds && *live.cpu_per_connect_seconds > 0 &&
                     !written_.cpu_per_connect;
  otherwise("--cpu-per-connect", written_.cpu_per_connect,
            whole ? live.cpu_per_connect_seconds : std::nullopt, kCpuPerConnect, "80us",
            &demand.cpu_per_connect);
  if (whole || demand.bytes_per_second == 0) {
    if (!written_.cpu_per_gib) demand.cpu_per_gib = 0;
  } else {
    otherwise("--cpu-per-gib", written_.cpu_per_gib, {}, kCpuPerGib, "215ms", &demand.cpu_per_gib);
  }
  std::optional<double> destinations;
  if (live.destinations && *live.destinations > 0) {
    destinations = static_cast<double>(*live.destinations);
  }
  otherwise("--destinations", written_.destinations, destinations, 1, "1", &demand.destinations);
  return true;
}

bool PlanReader::read_variation() {
  constexpr double kMost = 100;
  return read_decimal("--cv", written_.cv, 0, kMost, &out_.demand.service_cv) &&
         read_decimal("--arrival-cv", written_.arrival_cv, 0, kMost, &out_.demand.arrival_cv);
}

// "0.0001" or "0.01%".
bool PlanReader::read_share(const char* option, const Word& word, double* out) {
  if (!word) return true;
  std::string_view text = *word;
  const bool percent = text.ends_with('%');
  if (percent) text.remove_suffix(1);
  const auto number = parse_number(text);
  const double share = number ? *number / (percent ? 100 : 1) : 0;
  if (share < 1e-12 || share > 0.5) {
    return fail("{}: \"{}\" is no share from 0.000000000001 to 0.5; write 0.0001 or 0.01%", option,
                *word);
  }
  *out = share;
  return true;
}

bool PlanReader::read_goal() {
  double percent = out_.goal.percentile * 100;
  if (!read_decimal("--percentile", written_.percentile, 1, 99.9999, &percent) ||
      !read_seconds("--max-wait", written_.max_wait, true, &out_.goal.max_wait) ||
      !read_share("--blocking", written_.blocking, &out_.goal.blocking)) {
    return false;
  }
  out_.goal.percentile = percent / 100;
  return true;
}

bool PlanReader::read_size(const char* option, const Word& word, uint64_t* out) {
  if (!word) return true;
  const auto size = config::parse_size(*word);
  if (!size || *size == 0) {
    return fail("{}: \"{}\" is no size; write 512MiB or 4GiB", option, *word);
  }
  *out = *size;
  return true;
}

void PlanReader::take_limits_of_the_proxy() {
  const Capacity& live = out_.measured;
  plan::Instance& one = out_.limits;
  const auto known = [&](const std::optional<uint64_t>& measured, uint64_t fallback,
                         const char* said) {
    if (measured && *measured > 0) return *measured;
    out_.assumed.emplace_back(said);
    return fallback;
  };
  if (!written_.workers) one.workers = known(live.workers, 1, "--workers 1");
  if (!written_.nofile) {
    one.nofile = known(live.descriptors, plan::kNofileMost, "--nofile 1048576");
    one.seats = live.seats.value_or(0);
  }
  if (!written_.pending) one.permits = live.pending.value_or(0);
  if (!written_.source_addresses) one.source_addresses = 1;
  if (!written_.memory) one.memory_bytes = live.memory_bytes.value_or(0);
  if (live.ephemeral_ports.value_or(0) > 0) one.ports = *live.ephemeral_ports;
  if (one.seats == 0) one.seats = admission::descriptor_budget(one.nofile, one.workers).seats;
  if (one.permits == 0) one.permits = admission::permits_for(one.seats);
}

bool PlanReader::read_limits() {
  plan::Instance& one = out_.limits;
  constexpr uint64_t kCountMax = 1'000'000'000;
  if (!read_number("--workers", written_.workers, 1, kWorkersMax, &one.workers) ||
      !read_number("--nofile", written_.nofile, 64, kCountMax, &one.nofile) ||
      !read_number("--pending", written_.pending, 1, kCountMax, &one.permits) ||
      !read_number("--source-addresses", written_.source_addresses, 1, kCountMax,
                   &one.source_addresses) ||
      !read_size("--memory", written_.memory, &one.memory_bytes)) {
    return false;
  }
  if (live_) take_limits_of_the_proxy();
  return true;
}

// A file with one duration per line, as people write them.
bool PlanReader::read_times(const char* option, const Word& word, std::vector<double>* out) {
  if (!word) return true;
  std::ifstream file(*word);
  if (!file) return fail("{}: \"{}\" cannot be read; name a file that is there", option, *word);
  std::string line;
  double sum = 0;
  for (size_t number = 1; std::getline(file, line); ++number) {
    if (line.empty()) continue;
    const auto duration = parse_fine_duration(line);
    if (!duration) {
      return fail("{}: {}:{}: found {}; expected one duration a line, such as 350us", option, *word,
                  number, config::quote(line));
    }
    out->push_back(seconds_of(*duration));
    sum += out->back();
    if (out->size() > kTimesMax) {
      return fail("{}: {} has more than {} lines", option, *word, kTimesMax);
    }
  }
  if (sum == 0) {
    return fail("{}: {} has no duration longer than nothing; write one a line, such as 350us",
                option, *word);
  }
  return true;
}

bool PlanReader::read_simulation() {
  constexpr const char* kWhere = "a simulation; give --simulate as well";
  constexpr const char* kIncident = "an incident; give --incident as well";
  if (!only_for("--ill", written_.ill, false, kIncident) ||
      !only_for("--ill-time", written_.ill_time, false, kIncident) ||
      !only_for("--service-times", written_.service_times, written_.simulate, kWhere) ||
      !only_for("--gaps", written_.gaps, written_.simulate, kWhere) ||
      !only_for("--set-ups", written_.set_ups, written_.simulate, kWhere) ||
      !only_for("--seed", written_.seed, written_.simulate, kWhere)) {
    return false;
  }
  if (!written_.simulate) return true;
  plan::Experiment& experiment = out_.experiment.emplace();
  if (!read_times("--service-times", written_.service_times, &experiment.service_times) ||
      !read_times("--gaps", written_.gaps, &experiment.gaps) ||
      !read_number("--set-ups", written_.set_ups, 1000, 1'000'000'000, &experiment.set_ups) ||
      !read_number("--seed", written_.seed, 0, UINT64_MAX, &experiment.seed)) {
    return false;
  }
  out_.demand = plan::with_recorded(out_.demand, experiment);
  return true;
}

// The load of an incident has figures of its own: it is an example, not a plan.
std::expected<IncidentRequest, std::string> PlanReader::read_incident() {
  for (const auto& [option, word] : {std::pair("--from", &written_.from),
                                     {"--lifetime", &written_.lifetime},
                                     {"--cpu-per-connect", &written_.cpu_per_connect},
                                     {"--bandwidth", &written_.bandwidth},
                                     {"--cpu-per-gib", &written_.cpu_per_gib},
                                     {"--cv", &written_.cv},
                                     {"--arrival-cv", &written_.arrival_cv},
                                     {"--percentile", &written_.percentile},
                                     {"--max-wait", &written_.max_wait},
                                     {"--blocking", &written_.blocking},
                                     {"--workers", &written_.workers},
                                     {"--nofile", &written_.nofile},
                                     {"--source-addresses", &written_.source_addresses},
                                     {"--memory", &written_.memory},
                                     {"--service-times", &written_.service_times},
                                     {"--gaps", &written_.gaps},
                                     {"--set-ups", &written_.set_ups}}) {
    if (*word) {
      return std::unexpected(fmt::format(
          "{} does not go with --incident, which takes --rate, --setup-time, --destinations, "
          "--pending, --ill, --ill-time, --seed, --plot and --json",
          option));
    }
  }
  constexpr uint64_t kOriginsMax = 1000, kPermitsMax = 1'000'000;
  IncidentRequest out;
  plan::Incident& incident = out.incident;
  if (!read_decimal("--rate", written_.rate, 1, 100'000, &incident.rate) ||
      !read_seconds("--setup-time", written_.setup_time, false, &incident.setup_seconds) ||
      !read_seconds("--ill-time", written_.ill_time, false, &incident.ill_seconds) ||
      !read_number("--destinations", written_.destinations, 2, kOriginsMax,
                   &incident.destinations) ||
      !read_number("--ill", written_.ill, 1, incident.destinations - 1, &incident.ill) ||
      !read_number("--pending", written_.pending, 4, kPermitsMax, &incident.permits) ||
      !read_number("--seed", written_.seed, 0, UINT64_MAX, &incident.seed) ||
      !read_plot(&out.plot)) {
    return std::unexpected(fault_);
  }
  out.json = written_.json;
  return out;
}

}  // namespace

std::expected<IncidentRequest, std::string> read_incident(const PlanOptions& written) {
  return PlanReader(written, {}).read_incident();
}

std::expected<std::optional<Endpoint>, std::string> read_from(const PlanOptions& written) {
  return PlanReader(written, {}).read_from();
}

std::expected<PlanRequest, std::string> read(const PlanOptions& written,
                                             const std::optional<Capacity>& measured) {
  return PlanReader(written, measured).read();
}

}  // namespace penstock::cli
