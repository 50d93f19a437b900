// The distribution as HdrHistogram draws it: each further nine takes as much room as the one
// before, so that the tail, which is what hurts, is not a hairline at the right edge. Both axes are
// logarithmic, and the curve is drawn in the steps that were counted, not smoothed.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <string>
#include <vector>

#include "load/report.h"
#include "load/wording.h"

namespace penstock::load {
namespace {

using Output = std::back_insert_iterator<std::string>;

// Where the curve is drawn, in pixels of the 900 x 540 picture.
constexpr double kLeft = 92, kRight = 872, kTop = 112, kBottom = 470;

constexpr size_t kTitleMax = 84;  // bytes that fit in its width

constexpr const char* kHead =
    R"(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 900 540" width="900" height="540" role="img">
<style>
  svg {{ color-scheme: light dark; font: 13px system-ui, sans-serif; }}
  .paper {{ fill: #ffffff; }} text {{ fill: #1f2328; }} .quiet {{ fill: #59636e; }}
  .title {{ font-size: 17px; font-weight: 600; }} .grid {{ stroke: #d8dee4; }}
  .curve {{ fill: none; stroke: #0b62d6; stroke-width: 2; }}
  .dot {{ fill: #0b62d6; stroke: #ffffff; stroke-width: 1.5; }}
  @media (prefers-color-scheme: dark) {{
    .paper {{ fill: #0d1117; }} text {{ fill: #e6edf3; }} .quiet {{ fill: #9198a1; }}
    .grid {{ stroke: #30363d; }} .curve {{ stroke: #58a6ff; }}
    .dot {{ fill: #58a6ff; stroke: #0d1117; }}
  }}
</style>
<title>{0}</title>
<rect class="paper" width="900" height="540"/>
<text class="title" x="24" y="34">{1}</text>
<text class="quiet" x="24" y="56">{2}</text>
)";

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '&': out += "&amp;"; break;
      case '"': out += "&quot;"; break;
      default: out += c;
    }
  }
  return out;
}

// 1, 2 and 5 times powers of ten, from the last one at or below `low` to the first at or above
// `high`; two at least.
std::vector<double> round_values(double low, double high) {
  std::vector<double> out;
  for (double decade = std::pow(10, std::floor(std::log10(low))); out.empty() || out.back() < high;
       decade *= 10) {
    for (const double factor : {1.0, 2.0, 5.0}) {
      const double value = factor * decade;
      if (value <= low) out.clear();
      if (out.empty() || out.back() < high) out.push_back(value);
    }
  }
  if (out.size() < 2) out.push_back(out.front() * 2);
  return out;
}

std::string round_text(double nanos) {
  if (nanos < 1e3) return fmt::format("{:g} ns", nanos);
  if (nanos < 1e6) return fmt::format("{:g} us", nanos / 1e3);
  if (nanos < 1e9) return fmt::format("{:g} ms", nanos / 1e6);
  return fmt::format("{:g} s", nanos / 1e9);
}

struct Scales {
  double nines;  // at the right edge: 3 is 99.9 %
  double low;    // nanoseconds at the bottom
  double high;   // and at the top

  double x(double share) const {
    const double at = share >= 1 ? nines : std::min(nines, -std::log10(1 - share));
    return kLeft + (kRight - kLeft) * at / nines;
  }
  double y(double nanos) const {
    return kBottom - (kBottom - kTop) * std::log(nanos / low) / std::log(high / low);
  }
};

double nanos_of(Duration duration) {
  return static_cast<double>(duration.count());
}

void add_grid(std::string& out, const Scales& scales, const std::vector<double>& ticks) {
  // Every value of a wide range would be a fence: then decades only.
  const bool wide = ticks.size() > 13;
  for (const double tick : ticks) {
    const double digits = std::log10(tick);
    if (wide && std::abs(digits - std::round(digits)) > 1e-9) continue;
    fmt::format_to(Output(out),
                   "<line class=\"grid\" x1=\"{0}\" x2=\"{1}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\"/>"
                   "<text x=\"{3}\" y=\"{4:.1f}\" text-anchor=\"end\">{5}</text>\n",
                   kLeft, kRight, scales.y(tick), kLeft - 10, scales.y(tick) + 4.5,
                   round_text(tick));
  }
  static constexpr std::array kShares = {0.0,   0.5,    0.75,    0.9,      0.99,
                                         0.999, 0.9999, 0.99999, 0.999999, 0.9999999};
  for (const double share : kShares) {
    if (share > 0 && scales.x(share) > kRight - 24) break;
    fmt::format_to(Output(out),
                   "<line class=\"grid\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1}\" y2=\"{2}\"/>"
                   "<text x=\"{0:.1f}\" y=\"{3}\" text-anchor=\"middle\">{4:.7g}%</text>\n",
                   scales.x(share), kTop, kBottom, kBottom + 20, 100 * share);
  }
  fmt::format_to(Output(out), "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">max</text>\n", kRight,
                 kBottom + 20);
}

void add_curve(std::string& out, const Scales& scales, const Histogram& histogram) {
  out += "<path class=\"curve\" d=\"";
  uint64_t seen = 0;
  for (const Histogram::Step& step : histogram.steps()) {
    const double y = scales.y(nanos_of(std::min(step.upper, histogram.max())));
    out += seen == 0 ? fmt::format("M{:.1f} {:.1f}", kLeft, y) : fmt::format("V{:.1f}", y);
    seen += step.count;
    const double share = static_cast<double>(seen) / static_cast<double>(histogram.count());
    fmt::format_to(Output(out), "H{:.1f}", scales.x(share));
  }
  out += "\"/>\n";
}

// A dot on the curve for each named percentile, and its value in the line above the picture.
void add_percentiles(std::string& out, const Scales& scales, const Histogram& histogram) {
  static constexpr std::array kNamed = {50.0, 90.0, 99.0, 99.9, 99.99};
  std::string line;
  const auto add = [&](const std::string& name, double share, Duration value) {
    fmt::format_to(Output(out), "<circle class=\"dot\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"4\"/>\n",
                   scales.x(share), scales.y(nanos_of(value)));
    fmt::format_to(Output(line), "<tspan class=\"quiet\" dx=\"{}\">{}</tspan> {}",
                   line.empty() ? 0 : 22, name, latency_text(value));
  };
  for (const double p : kNamed) {
    // Of 500 values none is the 99.9th percentile.
    if (static_cast<double>(histogram.count()) * (100 - p) < 99.9999) break;
    add(fmt::format("p{:g}", p), p / 100, histogram.percentile(p));
  }
  add("max", 1, histogram.max());
  fmt::format_to(Output(out), "<text x=\"{}\" y=\"{}\">{}</text>\n", kLeft, kTop - 18, line);
}

}  // namespace

std::string plot(const Options& options, const Results& results) {
  const Histogram& histogram = main_latency(options.mode, results);
  const std::string title = "penstock load: " + what_ran(options);
  const std::string shown = title.size() > kTitleMax ? title.substr(0, kTitleMax) + "..." : title;
  std::string out =
      fmt::format(kHead, escaped(title), escaped(shown), escaped(how_it_ran(options)));
  if (histogram.count() == 0) {
    out += "<text x=\"450\" y=\"290\" text-anchor=\"middle\">nothing was measured</text>\n";
    return out + "</svg>\n";
  }
  const auto ticks = round_values(nanos_of(histogram.min()), nanos_of(histogram.max()));
  const Scales scales{.nines = std::max(1.0, std::log10(histogram.count())) + 0.3,
                      .low = ticks.front(),
                      .high = ticks.back()};
  add_grid(out, scales, ticks);
  add_curve(out, scales, histogram);
  add_percentiles(out, scales, histogram);
  fmt::format_to(
      Output(out),
      "<text class=\"quiet\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">percentile of {} {}"
      "</text>\n",
      (kLeft + kRight) / 2, kBottom + 48, count_text(histogram.count()),
      options.mode == Mode::kMix ? "set-ups" : units_of(options.mode));
  fmt::format_to(Output(out),
                 "<text class=\"quiet\" transform=\"translate(22 {}) rotate(-90)\" "
                 "text-anchor=\"middle\">{} (time, logarithmic)</text>\n",
                 (kTop + kBottom) / 2, main_latency_is(options.mode));
  return out + "</svg>\n";
}

}  // namespace penstock::load
