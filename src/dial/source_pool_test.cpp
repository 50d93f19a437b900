#include "dial/source_pool.h"

#include <gtest/gtest.h>

namespace penstock::dial {
namespace {

const IpAddress kA4 = IpAddress::from_v4(192, 0, 2, 1);
const IpAddress kB4 = IpAddress::from_v4(192, 0, 2, 2);
const IpAddress kA6 = *IpAddress::parse("2001:db8::1");

TEST(SourcePool, LeavesTheChoiceToTheKernelWhereItHasNone) {
  SourcePool none;
  EXPECT_EQ(none.choices(false), 1u);
  EXPECT_EQ(none.next(false), std::nullopt);
  SourcePool only_v4({kA4});
  EXPECT_EQ(only_v4.choices(true), 1u);
  EXPECT_EQ(only_v4.next(true), std::nullopt);
}

TEST(SourcePool, TakesTurnsWithinEachFamily) {
  SourcePool pool({kA4, kA6, kB4});
  EXPECT_EQ(pool.choices(false), 2u);
  EXPECT_EQ(pool.choices(true), 1u);
  // Dialled v4, v6, v4, v6: one shared counter would always come to the same v4 address.
  EXPECT_EQ(pool.next(false), kA4);
  EXPECT_EQ(pool.next(true), kA6);
  EXPECT_EQ(pool.next(false), kB4);
  EXPECT_EQ(pool.next(true), kA6);
  EXPECT_EQ(pool.next(false), kA4);
}

}  // namespace
}  // namespace penstock::dial
