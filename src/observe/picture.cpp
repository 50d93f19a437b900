#include "observe/picture.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

namespace penstock::observe {
namespace {

constexpr size_t kTitleMax = 84;  // bytes that fit in its width

constexpr const char* kHead =
    R"(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 900 540" width="900" height="540" role="img">
<style>
  svg {{ color-scheme: light dark; font: 13px system-ui, sans-serif; }}
  .paper {{ fill: #ffffff; }} text {{ fill: #1f2328; }} .quiet {{ fill: #59636e; }}
  .title {{ font-size: 17px; font-weight: 600; }} .grid {{ stroke: #d8dee4; }}
  .curve {{ fill: none; stroke: #0b62d6; stroke-width: 2; }}
  .dot {{ fill: #0b62d6; stroke: #ffffff; stroke-width: 1.5; }}
  .bound {{ stroke: #cf222e; stroke-dasharray: 5 4; }}
  .c1 {{ stroke: #bc4c00; }} .c2 {{ stroke: #1a7f37; }} .c3 {{ stroke: #8250df; }}
  .c4 {{ stroke: #6e7781; }}
  @media (prefers-color-scheme: dark) {{
    .paper {{ fill: #0d1117; }} text {{ fill: #e6edf3; }} .quiet {{ fill: #9198a1; }}
    .grid {{ stroke: #30363d; }} .curve {{ stroke: #58a6ff; }}
    .dot {{ fill: #58a6ff; stroke: #0d1117; }}
    .bound {{ stroke: #ff7b72; }}
    .c1 {{ stroke: #f0883e; }} .c2 {{ stroke: #3fb950; }} .c3 {{ stroke: #bc8cff; }}
    .c4 {{ stroke: #8b949e; }}
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

std::string with_class(std::string_view look) {
  return look.empty() ? "" : fmt::format(" class=\"{}\"", look);
}

// The first colour is that of .curve itself.
std::string look_of(int colour) {
  return colour == 0 ? "curve" : fmt::format("curve c{}", colour);
}

}  // namespace

Picture::Picture(std::string_view title, std::string_view subtitle) {
  const std::string shown = title.size() > kTitleMax
                                ? std::string(title.substr(0, kTitleMax)) + "..."
                                : std::string(title);
  svg_ = fmt::format(kHead, escaped(title), escaped(shown), escaped(subtitle));
}

void Picture::text(double x, double y, std::string_view anchor, std::string_view text,
                   std::string_view look) {
  svg_ += fmt::format("<text{} x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n",
                      with_class(look), x, y, anchor, escaped(text));
}

void Picture::text_upwards(double x, double y, std::string_view text) {
  svg_ += fmt::format(
      "<text class=\"quiet\" transform=\"translate({} {}) rotate(-90)\" "
      "text-anchor=\"middle\">{}</text>\n",
      x, y, escaped(text));
}

double Axis::at(double value) const {
  const double share = logarithmic ? std::log(std::max(value, low) / low) / std::log(high / low)
                                   : (value - low) / (high - low);
  return std::clamp(share, 0.0, 1.0);
}

void Chart::across(double value, std::string_view label) {
  picture_.add(
      fmt::format("<line class=\"grid\" x1=\"{0}\" x2=\"{1}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\"/>",
                  place_.left, place_.right, y(value)));
  picture_.text(place_.left - 10, y(value) + 4.5, "end", label);
}

void Chart::upright(double value, std::string_view label) {
  picture_.add(
      fmt::format("<line class=\"grid\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1}\" y2=\"{2}\"/>",
                  x(value), place_.top, place_.bottom));
  picture_.text(x(value), place_.bottom + 20, "middle", label);
}

void Chart::curve(int colour, const Points& points, std::string_view name) {
  std::string path;
  for (const auto& [at, value] : points) {
    fmt::format_to(std::back_inserter(path), "{}{:.1f} {:.1f}", path.empty() ? 'M' : 'L', x(at),
                   y(value));
  }
  picture_.add(fmt::format("<path class=\"{}\" d=\"{}\"/>\n", look_of(colour), path));
  if (name.empty()) return;
  const double top = place_.top + 14 + 18 * named_++;
  picture_.add(
      fmt::format("<path class=\"{}\" d=\"M{} {}h18\"/>", look_of(colour), place_.left + 10, top));
  picture_.text(place_.left + 34, top + 4.5, "start", name);
}

void Chart::bound(double value, std::string_view label) {
  picture_.add(
      fmt::format("<line class=\"bound\" x1=\"{0}\" x2=\"{1}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\"/>",
                  place_.left, place_.right, y(value)));
  picture_.text(place_.right - 4, y(value) + 15, "end", label, "quiet");
}

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

}  // namespace penstock::observe
