#include "trace/sock_diag.h"

#include <gtest/gtest.h>

namespace penstock::trace {
namespace {

using bpf::kEstablished;
using bpf::kMinRtt;
using bpf::kOutgoing;
using bpf::kSegmentRetransmitted;
using bpf::kSmoothedRtt;

Sighting open_connection(uint64_t cookie) {
  return {.cookie = cookie,
          .inode = 1,
          .where = {},
          .established = true,
          .rtt_us = 100,
          .min_rtt_us = 50,
          .retransmits = 0};
}

TEST(Sightings, CountAConnectionOnceHoweverOftenItIsSeen) {
  Sightings sightings;
  for (int i = 0; i < 3; ++i) sightings.look({open_connection(1), open_connection(2)});
  EXPECT_EQ(sightings.readings().count(kEstablished), 2u);
}

TEST(Sightings, TakeTheRttOfAConnectionWhenItHasGone) {
  Sightings sightings;
  sightings.look({open_connection(1)});
  EXPECT_EQ(sightings.readings().over_all(kOutgoing, kMinRtt).count, 0u);
  auto later = open_connection(1);
  later.rtt_us = 300;
  sightings.look({later});
  sightings.look({});
  EXPECT_EQ(sightings.readings().over_all(kOutgoing, kSmoothedRtt).sum_us, 300u);
  EXPECT_EQ(sightings.readings().over_all(kOutgoing, kMinRtt).sum_us, 50u);
}

TEST(Sightings, LeaveOutWhatWasRetransmittedBeforeTheFirstLook) {
  Sightings sightings;
  auto connection = open_connection(1);
  connection.retransmits = 5;
  sightings.look({connection});
  EXPECT_EQ(sightings.readings().count(kSegmentRetransmitted), 0u);
  connection.retransmits = 7;
  sightings.look({connection});
  sightings.look({connection});
  EXPECT_EQ(sightings.readings().count(kSegmentRetransmitted), 2u);
}

TEST(Sightings, AHalfClosedConnectionIsNotEstablishedAgain) {
  Sightings sightings;
  auto connection = open_connection(1);
  sightings.look({connection});
  connection.established = false;
  sightings.look({connection});
  connection.established = true;
  sightings.look({connection});
  EXPECT_EQ(sightings.readings().count(kEstablished), 1u);
}

}  // namespace
}  // namespace penstock::trace
