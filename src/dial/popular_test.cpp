#include "dial/popular.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "base/random.h"

namespace penstock::dial {
namespace {

using namespace std::chrono_literals;

constexpr Instant kStart{Duration(1000h)};

TEST(PopularKeys, AreThoseThatAreAskedForMost) {
  Popular popular(2);
  for (int i = 0; i < 5; ++i) popular.ask("a", kStart);
  for (int i = 0; i < 3; ++i) popular.ask("b", kStart);
  EXPECT_TRUE(popular.ask("a", kStart));
  EXPECT_TRUE(popular.ask("b", kStart));
  EXPECT_FALSE(popular.ask("c", kStart));
  EXPECT_FALSE(popular.ask("c", kStart));
  for (int i = 0; i < 4; ++i) popular.ask("c", kStart);
  EXPECT_TRUE(popular.ask("c", kStart)) << "7 against 6 and 4";
  EXPECT_FALSE(popular.ask("b", kStart));
}

TEST(PopularKeys, HaveBeenAskedForTwiceAtLeast) {
  Popular popular(2);
  EXPECT_FALSE(popular.ask("a", kStart));
  EXPECT_TRUE(popular.ask("a", kStart));
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(popular.ask("once " + std::to_string(i), kStart));
}

TEST(PopularKeys, DoNotExistWhereNoneIsWanted) {
  Popular none(0);
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(none.ask("a", kStart));
  EXPECT_EQ(none.counted(), 0u);
}

TEST(PopularKeys, FadeWhenTheyAreAskedForNoMore) {
  Popular popular(1);
  for (int i = 0; i < 100; ++i) popular.ask("a", kStart);
  Instant now = kStart;
  for (int i = 0; i < 7; ++i) {
    now += Popular::kHalfLife;
    popular.ask("b", now);
    popular.ask("b", now);
  }
  EXPECT_TRUE(popular.ask("b", now));
  popular.ask("c", now + 1h);
  EXPECT_EQ(popular.counted(), 1u);
}

// The most asked of many keys are found in a fixed number of places, however many others there are.
TEST(PopularKeys, AreFoundAmongManyOthersInBoundedMemory) {
  const auto seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  Popular popular(4);
  std::map<std::string, int> asked, said;
  for (int i = 0; i < 20'000; ++i) {
    const bool hot = random.below(2) == 0;
    const std::string key = hot ? "hot " + std::to_string(random.below(4))
                                : "cold " + std::to_string(random.below(5000));
    ++asked[key];
    if (popular.ask(key, kStart)) ++said[key];
  }
  EXPECT_LE(popular.counted(), 32u);
  for (int i = 0; i < 4; ++i) {
    const std::string key = "hot " + std::to_string(i);
    EXPECT_GT(said[key], asked[key] * 9 / 10) << key;
  }
}

}  // namespace
}  // namespace penstock::dial
