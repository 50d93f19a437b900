#include "load/blend.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <vector>

namespace penstock::load {
namespace {

constexpr int kDraws = 100'000;

std::map<ActKind, std::vector<Act>> draw_many(uint64_t seed) {
  Blend blend(seed);
  std::map<ActKind, std::vector<Act>> out;
  for (int i = 0; i < kDraws; ++i) {
    const Act act = blend.draw();
    out[act.kind].push_back(act);
  }
  return out;
}

TEST(Blend, DrawsEachKindAsOftenAsTheTableSays) {
  const auto drawn = draw_many(11);  // seed 11
  for (const BlendRow& row : kBlend) {
    const auto found = drawn.find(row.kind);
    ASSERT_NE(found, drawn.end()) << row.name;
    EXPECT_NEAR(static_cast<double>(found->second.size()) * 100 / kDraws, row.percent, 1)
        << row.name;
  }
}

TEST(Blend, DrawsDownloadsWithAHeavyTail) {
  auto downloads = draw_many(12)[ActKind::kDownload];  // seed 12
  std::ranges::sort(downloads, {}, &Act::bytes);
  const auto at = [&](double share) {
    return static_cast<double>(
        downloads[static_cast<size_t>(static_cast<double>(downloads.size()) * share)].bytes);
  };
  EXPECT_GE(downloads.front().bytes, kDownloadMin);
  EXPECT_LE(downloads.back().bytes, kDownloadMax);
  EXPECT_NEAR(at(0.5) / 1024, 14.3, 1) << "as the comment beside the numbers says";
  EXPECT_NEAR(at(0.99) / 1024, 380, 80);
}

TEST(Blend, StaysWithinItsBounds) {
  auto drawn = draw_many(13);  // seed 13
  for (const Act& act : drawn[ActKind::kConversation]) {
    ASSERT_GE(static_cast<uint64_t>(act.round_trips), kRoundTripsMin);
    ASSERT_LE(static_cast<uint64_t>(act.round_trips), kRoundTripsMax);
  }
  Duration longest{};
  for (const Act& act : drawn[ActKind::kHold]) longest = std::max(longest, act.hold);
  EXPECT_LE(longest, kHoldMax);
  EXPECT_GT(longest, kHoldMean);
  Blend blend(13);
  for (int i = 0; i < 1000; ++i) {
    const uint64_t size = blend.draw_message();
    ASSERT_TRUE(size >= kMessageMin && size <= kMessageMax) << size;
  }
}

}  // namespace
}  // namespace penstock::load
