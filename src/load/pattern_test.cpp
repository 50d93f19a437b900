#include "load/pattern.h"

#include <gtest/gtest.h>

#include <vector>

namespace penstock::load {
namespace {

TEST(Pattern, BeginsWithTheByteThatAsksForAnEcho) {
  EXPECT_EQ(pattern().at(0, 1)[0], 'E');
}

TEST(Pattern, GivesTheSameBytesHoweverItIsCut) {
  const auto whole = pattern().at(1000, Pattern::kPiece);
  for (size_t at = 0; at < whole.size(); at += 997) {
    EXPECT_EQ(pattern().at(1000 + at, 1)[0], whole[at]) << at;
  }
}

TEST(Pattern, FindsTheFirstWrongByte) {
  const auto right = pattern().at(70'000, 5000);
  std::vector<uint8_t> bytes(right.begin(), right.end());
  EXPECT_FALSE(pattern().first_wrong(70'000, bytes));
  bytes[4321] ^= 1;
  bytes[4400] ^= 1;
  EXPECT_EQ(pattern().first_wrong(70'000, bytes), 74'321u);
}

TEST(Pattern, DoesNotLookRightWhenABlockIsMoved) {
  for (uint64_t shift = 1; shift <= Pattern::kPiece; shift *= 2) {
    EXPECT_TRUE(pattern().first_wrong(shift, pattern().at(0, 4096))) << shift;
  }
}

}  // namespace
}  // namespace penstock::load
