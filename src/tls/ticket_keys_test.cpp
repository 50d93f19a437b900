#include "tls/ticket_keys.h"

#include <gtest/gtest.h>

namespace penstock::tls {
namespace {

using namespace std::chrono_literals;

class TicketKeysTest : public testing::Test {
 protected:
  bool opens(const TicketKey& key, Instant now) {
    const auto found = keys_.find(key.name, now, &renew_);
    return found && found->cipher == key.cipher && found->mac == key.mac;
  }
  TicketKeys keys_;
  const Instant began_ = Instant(1000h);
  bool renew_ = false;
};

TEST_F(TicketKeysTest, SealForAnHourWithOneKey) {
  const TicketKey key = keys_.newest(began_);
  EXPECT_EQ(keys_.newest(began_ + 59min).name, key.name);
  EXPECT_TRUE(opens(key, began_ + 59min));
  EXPECT_FALSE(renew_);
}

TEST_F(TicketKeysTest, OpenForAnotherHourAndAskForANewTicket) {
  const TicketKey key = keys_.newest(began_);
  EXPECT_NE(keys_.newest(began_ + 61min).name, key.name);
  EXPECT_TRUE(opens(key, began_ + 119min));
  EXPECT_TRUE(renew_);
}

TEST_F(TicketKeysTest, AreForgottenAfterTwoHours) {
  const TicketKey key = keys_.newest(began_);
  EXPECT_FALSE(opens(key, began_ + 121min));
}

TEST_F(TicketKeysTest, OfASilentProxyAreTooOldEvenIfNothingHasRotatedThem) {
  const TicketKey key = keys_.newest(began_);
  EXPECT_FALSE(opens(key, began_ + 100h));
  EXPECT_FALSE(opens(key, began_ + 101h));
}

TEST_F(TicketKeysTest, OfOthersAreNotFound) {
  keys_.newest(began_);
  EXPECT_FALSE(opens(TicketKey{}, began_));
}

}  // namespace
}  // namespace penstock::tls
