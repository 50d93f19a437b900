#include "bump/pinned.h"

#include <gtest/gtest.h>

namespace penstock::bump {
namespace {

const IpAddress kOne = IpAddress::from_v4(10, 0, 0, 1);
const IpAddress kOther = IpAddress::from_v4(10, 0, 0, 2);

TEST(APinnedProgram, IsCountedByClientAndName) {
  Pinned pinned;
  EXPECT_EQ(pinned.count(kOne, "a.example"), 0u);
  EXPECT_EQ(pinned.broke_off(kOne, "a.example"), 1u);
  EXPECT_EQ(pinned.broke_off(kOne, "a.example"), 2u);
  EXPECT_EQ(pinned.broke_off(kOne, "b.example"), 1u);
  EXPECT_EQ(pinned.count(kOne, "a.example"), 2u);
  EXPECT_EQ(pinned.count(kOther, "a.example"), 0u);
}

TEST(APinnedProgram, IsNoneOnceItWentOn) {
  Pinned pinned;
  pinned.broke_off(kOne, "a.example");
  pinned.went_on(kOther, "a.example");
  EXPECT_EQ(pinned.count(kOne, "a.example"), 1u);
  pinned.went_on(kOne, "a.example");
  EXPECT_EQ(pinned.count(kOne, "a.example"), 0u);
  EXPECT_EQ(pinned.broke_off(kOne, "a.example"), 1u) << "it starts anew";
}

TEST(PinnedPrograms, AreBoundedAndThoseSeenLongAgoGo) {
  Pinned pinned;
  pinned.broke_off(kOne, "kept");
  pinned.broke_off(kOne, "old");
  for (size_t i = 0; i < Pinned::kMax - 2; ++i) pinned.broke_off(kOther, std::to_string(i));
  EXPECT_EQ(pinned.broke_off(kOne, "kept"), 2u);
  pinned.broke_off(kOther, "one more");
  EXPECT_EQ(pinned.size(), Pinned::kMax);
  EXPECT_EQ(pinned.count(kOne, "kept"), 2u);
  EXPECT_EQ(pinned.count(kOne, "old"), 0u);
}

}  // namespace
}  // namespace penstock::bump
