#include "load/blend.h"

#include <algorithm>
#include <cmath>

namespace penstock::load {
namespace {

constexpr int kSum = [] {
  int sum = 0;
  for (const BlendRow& row : kBlend) sum += row.percent;
  return sum;
}();
static_assert(kSum == 100);

}  // namespace

uint64_t Blend::draw_message() {
  return kMessageMin + random_.below(kMessageMax - kMessageMin + 1);
}

Act Blend::draw() {
  auto point = static_cast<int>(random_.below(100));
  Act act;
  for (const BlendRow& row : kBlend) {
    act.kind = row.kind;
    if (point < row.percent) break;
    point -= row.percent;
  }
  switch (act.kind) {
    case ActKind::kShort: break;
    case ActKind::kConversation:
      act.round_trips =
          static_cast<int>(kRoundTripsMin + random_.below(kRoundTripsMax - kRoundTripsMin + 1));
      break;
    case ActKind::kDownload: {
      const double size = kDownloadMin * std::pow(random_.unit(), -1 / kDownloadShape);
      act.bytes = static_cast<uint64_t>(std::min(size, static_cast<double>(kDownloadMax)));
      break;
    }
    case ActKind::kHold: {
      const auto hold = -std::log(random_.unit()) * std::chrono::duration<double>(kHoldMean);
      act.hold = std::min(std::chrono::duration_cast<Duration>(hold), kHoldMax);
      break;
    }
  }
  return act;
}

}  // namespace penstock::load
