#include "observe/picture.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "observe/figures.h"
#include "trace/report.h"

namespace penstock::trace {
namespace {

using observe::Chart;
using observe::Picture;

struct Curve {
  bpf::Direction direction;
  bpf::Measure measure;
  std::string_view name;
};
// The lifetimes are left out: they say what is spoken, not how the network is.
constexpr std::array kCurves = {
    Curve{bpf::kOutgoing, bpf::kConnect, "outgoing: connect"},
    Curve{bpf::kOutgoing, bpf::kMinRtt, "outgoing: minimum RTT"},
    Curve{bpf::kIncoming, bpf::kHandshake, "incoming: handshake"},
    Curve{bpf::kIncoming, bpf::kAcceptQueue, "incoming: accept queue"},
    Curve{bpf::kIncoming, bpf::kMinRtt, "incoming: minimum RTT"},
};
static_assert(kCurves.size() <= Chart::kColours);

double nanos(Duration duration) {
  return static_cast<double>(std::max<int64_t>(duration.count(), 1000));
}

Chart::Points points_of(const bpf::Distribution& distribution, double low) {
  Chart::Points out{{low, 0}};
  uint64_t seen = 0;
  for (uint32_t i = 0; i < bpf::kSlots; ++i) {
    if (distribution.slots[i] == 0) continue;
    const double at = nanos(std::chrono::microseconds(bpf::upper_edge(i)));
    out.emplace_back(at, 100 * static_cast<double>(seen) / static_cast<double>(distribution.count));
    seen += distribution.slots[i];
    out.emplace_back(at, 100 * static_cast<double>(seen) / static_cast<double>(distribution.count));
  }
  return out;
}

}  // namespace

std::string picture(const bpf::Source& source, const bpf::Readings& readings) {
  Picture picture("penstock trace", source.what());
  std::vector<bpf::Distribution> distributions;
  double low = 0, high = 0;
  for (const Curve& curve : kCurves) {
    distributions.push_back(readings.over_all(curve.direction, curve.measure));
    const auto& last = distributions.back();
    if (last.count == 0) continue;
    const double first = nanos(bpf::percentile(last, 0.0001));
    low = low == 0 ? first : std::min(low, first);
    high = std::max(high, nanos(bpf::percentile(last, 100)));
  }
  if (high == 0) {
    picture.text(450, 290, "middle", "nothing was measured");
    return std::move(picture).finish();
  }
  // Room for the names, left of where the first curve begins to rise.
  const auto ticks = observe::round_values(low / 5, high);
  const Chart::Place place;
  Chart chart(picture, place, {.low = ticks.front(), .high = ticks.back(), .logarithmic = true},
              {.low = 0, .high = 100});
  for (const double share : {0.0, 25.0, 50.0, 75.0, 100.0}) {
    chart.across(share, fmt::format("{:g}%", share));
  }
  for (const double tick : ticks) chart.upright(tick, observe::round_time_text(tick));
  for (size_t i = 0; i < kCurves.size(); ++i) {
    if (distributions[i].count == 0) continue;
    chart.curve(static_cast<int>(i), points_of(distributions[i], ticks.front()), kCurves[i].name);
  }
  picture.text((place.left + place.right) / 2, place.bottom + 48, "middle", "time, logarithmic",
               "quiet");
  picture.text_upwards(22, (place.top + place.bottom) / 2,
                       "share of connections that were as fast");
  return std::move(picture).finish();
}

}  // namespace penstock::trace
