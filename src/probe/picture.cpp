// The waterfall as a picture. Ways that are compared share the rows and the scale of time, a bar
// each, so that what differs is what does not line up.
#include "observe/picture.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "observe/figures.h"
#include "probe/report.h"

namespace penstock::probe {
namespace {

constexpr double kLeft = 190, kRight = 800, kTop = 104, kBottom = 498;  // of the bars

constexpr const char* kStyle = R"(<style>
  .clear { fill: #57a0d3; } .visible { fill: #d29922; } .proxys { fill: #8250df; }
  .encrypted { fill: #2da44e; } .failed { fill: #cf222e; } .mark { stroke-width: 2; stroke: #1f2328; }
  .second { fill-opacity: 0.55; } .third { fill-opacity: 0.3; }
  @media (prefers-color-scheme: dark) { .mark { stroke: #e6edf3; } }
</style>
)";

constexpr std::string_view kTurns[] = {"", " second", " third"};

std::string_view look_of(const Span& span, const Way& way) {
  if (span.failed) return "failed";
  if (facts(span.phase).inside) return "proxys";
  if (visible_to_proxy(span.phase, way)) return "visible";
  return encrypted(span.phase, way) ? "encrypted" : "clear";
}

// Where a row's bars lie, and how long a millisecond is.
struct Grid {
  size_t ways;
  double row_height;
  Duration total;

  double x(Duration at) const {
    if (total <= Duration::zero()) return kLeft;
    return kLeft +
           (kRight - kLeft) * static_cast<double>(at.count()) / static_cast<double>(total.count());
  }
  double bar_height() const { return (row_height - 5) / static_cast<double>(ways); }
  double top(size_t row, size_t way) const {
    return kTop + row_height * static_cast<double>(row) + bar_height() * static_cast<double>(way);
  }
};

void add_axis(observe::Picture& picture, const Grid& grid) {
  const auto nanos = static_cast<double>(std::max<int64_t>(grid.total.count(), 1));
  const double step = observe::round_values(nanos / 6, nanos / 6).front();
  for (double at = 0; at <= nanos; at += step) {
    const double x = grid.x(Duration(static_cast<int64_t>(at)));
    picture.add(
        fmt::format("<line class=\"grid\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1}\" y2=\"{2}\"/>", x,
                    kTop - 4, kBottom));
    picture.text(x, kBottom + 18, "middle", at == 0 ? "0" : observe::round_time_text(at));
  }
}

void add_span(observe::Picture& picture, const Grid& grid, size_t row, size_t way,
              const Named& named, const Span& span) {
  const double top = grid.top(row, way), from = grid.x(span.start), to = grid.x(span.end);
  if (facts(span.phase).instant) {
    picture.add(fmt::format(
        "<line class=\"mark\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1:.1f}\" y2=\"{2:.1f}\"/>\n",
        from, top, top + grid.bar_height()));
    return;
  }
  picture.add(fmt::format(
      "<rect class=\"{}{}\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\"/>\n",
      look_of(span, named.timeline.way), kTurns[way], from, top, std::max(1.0, to - from),
      grid.bar_height() - 1));
}

void add_rows(observe::Picture& picture, const Grid& grid, const std::vector<Phase>& phases,
              const std::vector<Named>& ways) {
  for (size_t row = 0; row < phases.size(); ++row) {
    const double middle = grid.top(row, 0) + grid.row_height / 2 + 2;
    picture.text(kLeft - 12, middle, "end", facts(phases[row]).title,
                 facts(phases[row]).inside ? "quiet" : "");
    for (size_t way = 0; way < ways.size(); ++way) {
      const Span* const span = ways[way].timeline.find(phases[row]);
      if (!span) continue;
      add_span(picture, grid, row, way, ways[way], *span);
      if (way > 0) continue;
      const bool instant = facts(phases[row]).instant;
      picture.text(888, middle, "end", instant ? "" : observe::latency_text(span->length()),
                   "quiet");
    }
  }
}

// What occurs, and nothing else.
void add_legend(observe::Picture& picture, const std::vector<Named>& ways) {
  struct Entry {
    std::string_view look, text;
  };
  static constexpr Entry kEntries[] = {{"clear", "in the clear"},
                                       {"visible", "the proxy can read it"},
                                       {"proxys", "the proxy's own share"},
                                       {"encrypted", "encrypted from end to end"},
                                       {"failed", "not finished"}};
  double x = 24;
  for (const Entry& entry : kEntries) {
    const bool occurs = std::ranges::any_of(ways, [&](const Named& one) {
      return std::ranges::any_of(one.timeline.spans, [&](const Span& span) {
        return look_of(span, one.timeline.way) == entry.look;
      });
    });
    if (!occurs) continue;
    picture.add(fmt::format("<rect class=\"{}\" x=\"{:.0f}\" y=\"70\" width=\"14\" height=\"12\"/>",
                            entry.look, x));
    picture.text(x + 20, 81, "start", entry.text, "quiet");
    x += 50 + 7.2 * static_cast<double>(entry.text.size());
  }
}

std::string subtitle_of(const std::vector<Named>& ways) {
  std::string out;
  for (const Named& one : ways) {
    out += fmt::format("{}{} {}", out.empty() ? "" : "; below it ", one.name,
                       observe::latency_text(one.timeline.total()));
  }
  return out;
}

}  // namespace

std::string svg(const Found& found) {
  const std::vector<Named> ways = to_draw(found);
  std::vector<const Timeline*> timelines;
  Duration total{};
  for (const Named& one : ways) {
    timelines.push_back(&one.timeline);
    total = std::max(total, one.timeline.total());
  }
  const std::vector<Phase> phases = phases_of(timelines);
  observe::Picture picture("penstock probe: " + what_ran(found.options), subtitle_of(ways));
  picture.add(kStyle);
  const double rows = static_cast<double>(std::max<size_t>(phases.size(), 1));
  const Grid grid{ways.size(), std::min(26.0, (kBottom - kTop) / rows), total};
  add_legend(picture, ways);
  add_axis(picture, grid);
  add_rows(picture, grid, phases, ways);
  return std::move(picture).finish();
}

}  // namespace penstock::probe
