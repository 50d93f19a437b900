// The distribution as HdrHistogram draws it: each further nine takes as much room as the one
// before, so that the tail, which is what hurts, is not a hairline at the right edge. Both axes are
// logarithmic, and the curve is drawn in the steps that were counted, not smoothed.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "load/report.h"
#include "load/wording.h"
#include "observe/picture.h"

namespace penstock::load {
namespace {

using observe::Chart;
using observe::Picture;
using Output = std::back_insert_iterator<std::string>;

constexpr Chart::Place kPlace;

double nanos_of(Duration duration) {
  return static_cast<double>(duration.count());
}

// A share in nines: 3 is 99.9 %. The last one is beyond every axis.
double nines(double share) {
  constexpr double kAll = 99;
  return share >= 1 ? kAll : -std::log10(1 - share);
}

void add_grid(Chart& chart, Picture& picture, const std::vector<double>& ticks) {
  // Every value of a wide range would be a fence: then decades only.
  const bool wide = ticks.size() > 13;
  for (const double tick : ticks) {
    const double digits = std::log10(tick);
    if (wide && std::abs(digits - std::round(digits)) > 1e-9) continue;
    chart.across(tick, observe::round_time_text(tick));
  }
  static constexpr std::array kShares = {0.0,   0.5,    0.75,    0.9,      0.99,
                                         0.999, 0.9999, 0.99999, 0.999999, 0.9999999};
  for (const double share : kShares) {
    if (share > 0 && chart.x(nines(share)) > kPlace.right - 24) break;
    chart.upright(nines(share), fmt::format("{:.7g}%", 100 * share));
  }
  picture.text(kPlace.right, kPlace.bottom + 20, "end", "max");
}

void add_curve(const Chart& chart, Picture& picture, const Histogram& histogram) {
  std::string path;
  uint64_t seen = 0;
  for (const Histogram::Step& step : histogram.steps()) {
    const double y = chart.y(nanos_of(std::min(step.upper, histogram.max())));
    path += seen == 0 ? fmt::format("M{:.1f} {:.1f}", kPlace.left, y) : fmt::format("V{:.1f}", y);
    seen += step.count;
    const double share = static_cast<double>(seen) / static_cast<double>(histogram.count());
    fmt::format_to(Output(path), "H{:.1f}", chart.x(nines(share)));
  }
  picture.add(fmt::format("<path class=\"curve\" d=\"{}\"/>\n", path));
}

// A dot on the curve for each named percentile, and its value in the line above the picture.
void add_percentiles(const Chart& chart, Picture& picture, const Histogram& histogram) {
  static constexpr std::array kNamed = {50.0, 90.0, 99.0, 99.9, 99.99};
  std::string line;
  const auto add = [&](const std::string& name, double share, Duration value) {
    picture.add(fmt::format("<circle class=\"dot\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"4\"/>\n",
                            chart.x(nines(share)), chart.y(nanos_of(value))));
    fmt::format_to(Output(line), "<tspan class=\"quiet\" dx=\"{}\">{}</tspan> {}",
                   line.empty() ? 0 : 22, name, latency_text(value));
  };
  for (const double p : kNamed) {
    // Of 500 values none is the 99.9th percentile.
    if (static_cast<double>(histogram.count()) * (100 - p) < 99.9999) break;
    add(fmt::format("p{:g}", p), p / 100, histogram.percentile(p));
  }
  add("max", 1, histogram.max());
  picture.add(
      fmt::format("<text x=\"{}\" y=\"{}\">{}</text>\n", kPlace.left, kPlace.top - 18, line));
}

}  // namespace

std::string plot(const Options& options, const Results& results) {
  const Histogram& histogram = main_latency(options.mode, results);
  Picture picture("penstock load: " + what_ran(options), how_it_ran(options));
  if (histogram.count() == 0) {
    picture.text(450, 290, "middle", "nothing was measured");
    return std::move(picture).finish();
  }
  const auto ticks = observe::round_values(nanos_of(histogram.min()), nanos_of(histogram.max()));
  Chart chart(picture, kPlace, {.high = std::max(1.0, std::log10(histogram.count())) + 0.3},
              {.low = ticks.front(), .high = ticks.back(), .logarithmic = true});
  add_grid(chart, picture, ticks);
  add_curve(chart, picture, histogram);
  add_percentiles(chart, picture, histogram);
  picture.text((kPlace.left + kPlace.right) / 2, kPlace.bottom + 48, "middle",
               fmt::format("percentile of {} {}", count_text(histogram.count()),
                           options.mode == Mode::kMix ? "set-ups" : units_of(options.mode)),
               "quiet");
  picture.text_upwards(22, (kPlace.top + kPlace.bottom) / 2,
                       fmt::format("{} (time, logarithmic)", main_latency_is(options.mode)));
  return std::move(picture).finish();
}

}  // namespace penstock::load
