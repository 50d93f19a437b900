#include "bpf/readings.h"

#include <gtest/gtest.h>

#include <random>

namespace penstock::bpf {
namespace {

using namespace std::chrono_literals;

TEST(Slots, TileTheNumbersWithoutGapOrOverlap) {
  uint64_t next = 0;
  for (uint32_t slot = 0; slot < kSlots; ++slot) {
    EXPECT_EQ(slot_of(next), slot) << next;
    EXPECT_EQ(slot_of(upper_edge(slot)), slot) << upper_edge(slot);
    next = upper_edge(slot) + 1;
  }
  EXPECT_EQ(next, uint64_t{1} << 32);
}

TEST(Slots, KeepAValueWithinASixteenth) {
  const auto seed = std::random_device{}();
  std::mt19937_64 random(seed);
  for (int i = 0; i < 100'000; ++i) {
    const uint64_t value = random() >> 32 >> random() % 32;
    const uint64_t edge = upper_edge(slot_of(value));
    ASSERT_GE(edge, value) << "seed " << seed;
    ASSERT_LE(edge - value, value / 16) << "seed " << seed;
  }
}

TEST(Slots, ValuesBeyondTheLastOneStayThere) {
  EXPECT_EQ(slot_of(uint64_t{1} << 32), kSlots - 1);
  EXPECT_EQ(slot_of(UINT64_MAX), kSlots - 1);
}

Distribution of(std::initializer_list<uint64_t> values) {
  Distribution out{};
  for (const uint64_t value : values) record(out, value);
  return out;
}

TEST(Percentiles, AreTheUpperEdgesOfTheirSlots) {
  const auto distribution = of({1, 2, 3, 1000});
  EXPECT_EQ(percentile(distribution, 25), 1us);
  EXPECT_EQ(percentile(distribution, 50), 2us);
  EXPECT_EQ(percentile(distribution, 75), 3us);
  EXPECT_EQ(percentile(distribution, 100), 1023us);
}

TEST(Percentiles, OfNothingAreZero) {
  EXPECT_EQ(percentile({}, 50), 0us);
  EXPECT_EQ(mean({}), 0us);
}

TEST(Mean, IsExactAlthoughSlotsAreNot) {
  EXPECT_EQ(mean(of({1000, 1001})), 1000500ns);
}

TEST(Groups, AreReadBackWithTheirEndpoints) {
  Group group{};
  group.direction = kIncoming;
  EXPECT_EQ(where(group), (Where{.direction = kIncoming, .destination = {}}));
  group = {.address = {192, 0, 2, 1}, .port = 443, .family = 4, .direction = kOutgoing};
  EXPECT_EQ(where(group).destination.text(), "192.0.2.1:443");
  group = {.address = {0x20, 1, 0xd, 0xb8}, .port = 80, .family = 6, .direction = kOutgoing};
  EXPECT_EQ(where(group).destination.text(), "[2001:db8::]:80");
}

TEST(Readings, SinceAnEarlierLookHoldOnlyWhatCameSince) {
  const MeasureKey connect{.where = {}, .measure = kConnect};
  const EventKey established{.where = {}, .event = kEstablished, .detail = 0};
  const EventKey refused{.where = {}, .event = kConnectFailed, .detail = 111};
  Readings before;
  before.distributions[connect] = of({5, 9});
  before.counts = {{established, 2}, {refused, 1}};
  before.listen_overflows = 7;
  Readings now = before;
  record(now.distributions[connect], 9);
  now.counts[established] = 3;
  now.lost = 4;
  const Readings since = now.since(before);
  EXPECT_EQ(since.over_all(kOutgoing, kConnect).count, 1u);
  EXPECT_EQ(percentile(since.over_all(kOutgoing, kConnect), 100), 9us);
  EXPECT_EQ(since.count(kEstablished), 1u);
  EXPECT_FALSE(since.counts.contains(refused)) << "nothing of it came since";
  EXPECT_EQ(since.lost, 4u);
  EXPECT_EQ(since.listen_overflows, 0u);
}

TEST(Readings, AddUpOverDestinationsButNotOverDirections) {
  Readings readings;
  const auto at = [](Direction direction, uint16_t port) {
    return MeasureKey{{direction, {*IpAddress::parse("192.0.2.1"), port}}, kMinRtt};
  };
  readings.distributions[at(kOutgoing, 1)] = of({10});
  readings.distributions[at(kOutgoing, 2)] = of({20});
  readings.distributions[at(kIncoming, 1)] = of({30});
  EXPECT_EQ(readings.over_all(kOutgoing, kMinRtt).sum_us, 30u);
  EXPECT_EQ(readings.over_all(kIncoming, kMinRtt).count, 1u);
}

}  // namespace
}  // namespace penstock::bpf
