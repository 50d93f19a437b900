#include "admission/memory.h"

#include <gtest/gtest.h>

namespace penstock::admission {
namespace {

MemoryUse percent(uint64_t share) {
  return {.resident = share, .limit = 100};
}

TEST(MemoryGuard, RefusesAboveNinetyPercentAndTakesAgainBelowEightyFive) {
  MemoryGuard guard;
  EXPECT_FALSE(guard.look(percent(90)));
  EXPECT_TRUE(guard.look(percent(91)));
  EXPECT_TRUE(guard.look(percent(86))) << "in between it stays as it was";
  EXPECT_TRUE(guard.look(percent(85)));
  EXPECT_FALSE(guard.look(percent(84)));
  EXPECT_FALSE(guard.look(percent(89)));
}

TEST(MemoryGuard, KnowsNoShortageWithoutALimit) {
  MemoryGuard guard;
  EXPECT_FALSE(guard.look({.resident = uint64_t{1} << 50}));
}

TEST(MemoryUse, IsHeldAgainstTheNearerLimit) {
  const MemoryUse use{.resident = 10, .limit = 100, .group_used = 90, .group_limit = 120};
  EXPECT_DOUBLE_EQ(use.share(), 0.75);
}

}  // namespace
}  // namespace penstock::admission
