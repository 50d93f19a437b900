#include "server/own_addresses.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace penstock::server {
namespace {

using Addresses = std::vector<IpAddress>;

const IpAddress kLoopback = IpAddress::from_v4(127, 0, 0, 1);
const IpAddress kPublic = IpAddress::from_v4(45, 88, 0, 1);

TEST(OwnAddresses, AreNewsOnlyWhenTheyAreOthersThanBefore) {
  OwnAddresses own;
  EXPECT_TRUE(own.learn(Addresses{kLoopback}));
  EXPECT_FALSE(own.learn(Addresses{kLoopback}));
  EXPECT_TRUE(own.learn(Addresses{kLoopback, kPublic}));
  EXPECT_EQ(own.last_known(), (Addresses{kLoopback, kPublic}));
  EXPECT_TRUE(own.learn(Addresses{kLoopback}));
  EXPECT_EQ(own.last_known(), Addresses{kLoopback});
}

TEST(OwnAddresses, StayKnownWhileTheKernelCannotBeAsked) {
  OwnAddresses own;
  own.learn(Addresses{kLoopback, kPublic});
  EXPECT_FALSE(own.learn(std::unexpected(EMFILE)));
  EXPECT_EQ(own.last_known(), (Addresses{kLoopback, kPublic}));
}

}  // namespace
}  // namespace penstock::server
