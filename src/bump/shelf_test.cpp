#include "bump/shelf.h"

#include <gtest/gtest.h>

namespace penstock::bump {
namespace {

TEST(Shelf, ForgetsWhatWasUsedLongestAgo) {
  Shelf<int> shelf(2);
  shelf.put("a", 1, 100);
  shelf.put("b", 2, 100);
  EXPECT_EQ(*shelf.find("a", 0), 1);
  shelf.put("c", 3, 100);
  EXPECT_EQ(shelf.size(), 2u);
  EXPECT_EQ(shelf.find("b", 0), nullptr);
  EXPECT_EQ(*shelf.find("a", 0), 1);
  EXPECT_EQ(*shelf.find("c", 0), 3);
}

TEST(Shelf, FindsNothingBehindItsTime) {
  Shelf<int> shelf(2);
  shelf.put("a", 1, 100);
  EXPECT_NE(shelf.find("a", 100), nullptr);
  EXPECT_EQ(shelf.find("a", 101), nullptr);
  EXPECT_EQ(shelf.size(), 0u);
  shelf.put("a", 2, 200);
  EXPECT_EQ(*shelf.find("a", 101), 2);
}

TEST(Shelf, OfNoRoomKeepsNothing) {
  Shelf<int> shelf(0);
  shelf.put("a", 1, 100);
  EXPECT_EQ(shelf.find("a", 0), nullptr);
}

}  // namespace
}  // namespace penstock::bump
