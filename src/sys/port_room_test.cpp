#include "sys/port_room.h"

#include <gtest/gtest.h>

namespace penstock::sys {
namespace {

TEST(PortRoom, CountsThePortsThatAreNotReserved) {
  EXPECT_EQ(free_ports(40000, 40099, ""), 100u);
  EXPECT_EQ(free_ports(40000, 40000, ""), 1u);
  EXPECT_EQ(free_ports(40000, 40099, "40050"), 99u);
  EXPECT_EQ(free_ports(40000, 40099, "99,40000-40009,40050,50000-50100"), 89u);
  EXPECT_EQ(free_ports(40000, 40099, "1-65535"), 0u);
  EXPECT_EQ(free_ports(40000, 40099, "39990-40001,40098-41000"), 96u);
}

TEST(PortRoom, ReadsWhatThisMachineSays) {
  const PortRoom room = port_room();
  EXPECT_GT(room.first, 1u);
  EXPECT_GT(room.ports, 0u);
  EXPECT_LT(room.ports, 65536u);
  EXPECT_LE(room.rest_on_loopback, room.rest);
}

}  // namespace
}  // namespace penstock::sys
