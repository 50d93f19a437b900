#include "load/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>
#include <vector>

#include "base/json.h"
#include "config/scalars.h"
#include "load/wording.h"

namespace penstock::load {
namespace {

using Output = std::back_insert_iterator<std::string>;

double seconds_of(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

double micros_of(Duration duration) {
  return std::chrono::duration<double, std::micro>(duration).count();
}

std::array<std::pair<const char*, const Histogram*>, 5> latencies(const Results& results) {
  return {{{"connect", &results.connect},
           {"tls", &results.tls},
           {"setup", &results.setup},
           {"round_trip", &results.round_trip},
           {"stream", &results.stream}}};
}

void add_bytes(std::string& out, const char* name, uint64_t bytes, Duration elapsed) {
  if (bytes == 0) return;
  fmt::format_to(Output(out), "  {:<10} {:>14}", name, bytes_text(static_cast<double>(bytes)));
  if (const double seconds = seconds_of(elapsed); seconds > 0) {
    fmt::format_to(Output(out), "   {}/s", bytes_text(static_cast<double>(bytes) / seconds));
  }
  out += '\n';
}

void add_latencies(std::string& out, const Results& results) {
  const auto all = latencies(results);
  if (std::ranges::all_of(all, [](const auto& one) { return one.second->count() == 0; })) return;
  fmt::format_to(Output(out), "\n  {:<10} {:>14} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}\n",
                 "latency", "count", "min", "mean", "p50", "p90", "p99", "p99.9", "max");
  for (const auto& [name, histogram] : all) {
    if (histogram->count() == 0) continue;
    std::string shown(name);
    std::ranges::replace(shown, '_', ' ');
    fmt::format_to(Output(out), "  {:<10} {:>14}", shown, count_text(histogram->count()));
    for (const Duration value :
         {histogram->min(), histogram->mean(), histogram->percentile(50), histogram->percentile(90),
          histogram->percentile(99), histogram->percentile(99.9), histogram->max()}) {
      fmt::format_to(Output(out), " {:>9}", latency_text(value));
    }
    out += '\n';
  }
}

void add_errors(std::string& out, const Results& results) {
  fmt::format_to(Output(out), "\n  {:<10} {:>14}\n", "errors", count_text(results.error_count()));
  std::vector<std::pair<std::string, uint64_t>> kinds(results.errors.begin(), results.errors.end());
  std::ranges::sort(kinds, [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  for (const auto& [kind, count] : kinds) {
    if (count > 0)
      fmt::format_to(Output(out), "  {:<10} {:>14}   {}\n", "", count_text(count), kind);
  }
}

void add_latency(JsonWriter& writer, const char* name, const Histogram& histogram) {
  if (histogram.count() == 0) return;
  writer.key(name).begin_object();
  writer.field("count", histogram.count())
      .field("min_us", micros_of(histogram.min()))
      .field("mean_us", micros_of(histogram.mean()))
      .field("p50_us", micros_of(histogram.percentile(50)))
      .field("p90_us", micros_of(histogram.percentile(90)))
      .field("p99_us", micros_of(histogram.percentile(99)))
      .field("p99_9_us", micros_of(histogram.percentile(99.9)))
      .field("max_us", micros_of(histogram.max()));
  writer.end_object();
}

}  // namespace

std::string summary(const Options& options, const Results& results) {
  std::string out = fmt::format("{}\n{}\n\n", what_ran(options), how_it_ran(options));
  const bool held = options.mode == Mode::kIdle;
  fmt::format_to(Output(out), "  {:<10} {:>14}   {} {} {}{}\n", "finished",
                 count_text(results.finished), units_of(options.mode), held ? "held for" : "in",
                 latency_text(results.elapsed),
                 held ? "" : fmt::format(": {} per second", rate_text(per_second(results))));
  fmt::format_to(Output(out), "  {:<10} {:>14}   at most {} open at one time\n", "tunnels",
                 count_text(results.tunnels), count_text(static_cast<uint64_t>(results.open_most)));
  if (results.late > 0) {
    fmt::format_to(Output(out), "  {:<10} {:>14}   starts had to wait for room\n", "late",
                   count_text(results.late));
  }
  add_bytes(out, "up", results.bytes_up, results.elapsed);
  add_bytes(out, "down", results.bytes_down, results.elapsed);
  if (results.cpu > Duration::zero()) {
    fmt::format_to(Output(out), "  {:<10} {:>14}   used by this process\n", "cpu",
                   latency_text(results.cpu));
  }
  add_latencies(out, results);
  add_errors(out, results);
  return out;
}

std::string json(const Options& options, const Results& results) {
  std::string out;
  JsonWriter writer(out);
  writer.begin_object();
  writer.field("mode", word(options.mode))
      .field("way", word(options.way))
      .field("target", options.target.text())
      .field("seconds", seconds_of(results.elapsed))
      .field("tunnels", results.tunnels)
      .field("finished", results.finished)
      .field("late", results.late)
      .field("open_most", results.open_most)
      .field("bytes_up", results.bytes_up)
      .field("bytes_down", results.bytes_down)
      .field("per_second", per_second(results));
  writer.key("errors").begin_object();
  for (const auto& [kind, count] : results.errors) writer.field(kind, count);
  writer.end_object();
  writer.field("error_count", results.error_count());
  for (const auto& [name, histogram] : latencies(results)) add_latency(writer, name, *histogram);
  writer.field("cpu_seconds", seconds_of(results.cpu)).end_object();
  return out;
}

std::string csv(const Options& options, const Results& results) {
  const Histogram& histogram = main_latency(options.mode, results);
  std::string out = "latency_us,count,cumulative,percentile\n";
  uint64_t seen = 0;
  for (const Histogram::Step& step : histogram.steps()) {
    seen += step.count;
    const double share = static_cast<double>(seen) / static_cast<double>(histogram.count());
    fmt::format_to(Output(out), "{:.3f},{},{},{:.6f}\n",
                   micros_of(std::min(step.upper, histogram.max())), step.count, seen, 100 * share);
  }
  return out;
}

std::string progress_line(const Options& options, const Results& so_far) {
  std::string out = fmt::format("{:.1f} s", seconds_of(so_far.elapsed));
  if (options.duration > Duration::zero()) out += " of " + config::duration_text(options.duration);
  out += fmt::format("  {} {}", count_text(so_far.finished), units_of(options.mode));
  if (options.count > 0) out += " of " + count_text(options.count);
  out += fmt::format("  {}/s", rate_text(per_second(so_far)));
  if (const Histogram& histogram = main_latency(options.mode, so_far); histogram.count() > 0) {
    out += "  p99 " + latency_text(histogram.percentile(99));
  }
  if (const uint64_t bytes = so_far.bytes_up + so_far.bytes_down;
      options.mode == Mode::kBulk && bytes > 0) {
    out += "  " + bytes_text(static_cast<double>(bytes));
  }
  const uint64_t errors = so_far.error_count();
  return out + fmt::format("  {} error{}", count_text(errors), errors == 1 ? "" : "s");
}

}  // namespace penstock::load
