// Thousands of tunnels on a kernel that misbehaves: every byte arrives or the tunnel ends with an
// error that says so, and nothing is left behind.
#include <dirent.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "loop/frame.h"
#include "plan.h"
#include "tunnel/testing.h"

namespace penstock::faults {
namespace {

using tunnel::testing::Buffers;
using tunnel::testing::Tunnel;
using tunnel::testing::Worker;

constexpr uint64_t kSeed = 8'211'947;

size_t open_descriptors() {
  size_t count = 0;
  DIR* folder = ::opendir("/proc/self/fd");
  while (::readdir(folder)) ++count;
  ::closedir(folder);
  return count;
}

class Faults : public ::testing::Test {
 protected:
  Faults() : worker_(std::make_unique<Worker>()) {}
  ~Faults() override {
    EXPECT_EQ(worker_->relay.pipes().in_use(), 0u);
    EXPECT_EQ(loop::live_frames(), frames_);
    worker_.reset();
    begin({}, 1);
    EXPECT_EQ(open_descriptors(), descriptors_);
  }

  // Carries `count` tunnels of random sizes, half of them through small socket buffers.
  void carry_many(const Plan& plan, int count, uint64_t largest) {
    begin(plan, kSeed);
    Random random(kSeed + 1);
    for (int i = 0; i < count; ++i) {
      SCOPED_TRACE("seed " + std::to_string(kSeed) + ", tunnel " + std::to_string(i));
      carry_one(random, largest);
      if (HasFatalFailure()) return;
    }
  }

  uint64_t carried_ = 0;
  uint64_t spliced_ = 0;
  int whole_ = 0;
  int cut_ = 0;

 private:
  void carry_one(Random& random, uint64_t largest) {
    const Buffers buffers = random.below(2) == 0 ? Buffers{} : Buffers{4096, 4096};
    Tunnel tunnel(*worker_, random.next(), buffers);
    const uint64_t up = tunnel.client.to_send = random.below(1 + random.below(largest));
    const uint64_t down = tunnel.origin.to_send = random.below(1 + random.below(largest));
    tunnel.begin();
    ASSERT_TRUE(tunnel.step_until([&] { return tunnel.over; }));
    ASSERT_TRUE(tunnel.step_until([&] { return ended(tunnel.client) && ended(tunnel.origin); }));
    EXPECT_TRUE(tunnel.client.intact && tunnel.origin.intact);
    EXPECT_EQ(worker_->relay.pipes().in_use(), 0u);
    if (tunnel.outcome) {
      ++cut_;
      EXPECT_LE(tunnel.origin.received, tunnel.up_bytes.total());
      EXPECT_LE(tunnel.client.received, tunnel.down_bytes.total());
      EXPECT_NE(tunnel.outcome->sys_errno, 0);
    } else {
      ++whole_;
      EXPECT_EQ(tunnel.origin.received, up);
      EXPECT_EQ(tunnel.client.received, down);
      EXPECT_EQ(tunnel.up_bytes.total(), up);
      EXPECT_EQ(tunnel.down_bytes.total(), down);
    }
    carried_ += tunnel.up_bytes.total() + tunnel.down_bytes.total();
    spliced_ += tunnel.up_bytes.spliced + tunnel.down_bytes.spliced;
  }
  static bool ended(const tunnel::testing::Peer& peer) {
    return peer.got_end || peer.got_error != 0;
  }

  const int64_t frames_ = loop::live_frames();
  const size_t descriptors_ = open_descriptors();

 protected:
  std::unique_ptr<Worker> worker_;  // last: what was there before it is counted first
};

TEST_F(Faults, ShortCountsAndEmptyPromisesLoseNoByte) {
  carry_many({.short_count = 300, .try_again = 200}, 1000, 1 << 18);
  EXPECT_EQ(cut_, 0);
  EXPECT_GT(tally().short_counts, 1000u);
  EXPECT_GT(tally().tries_again, 1000u);
}

TEST_F(Faults, ShortCountsAndEmptyPromisesLoseNoByteOfALongStream) {
  carry_many({.short_count = 100, .try_again = 100}, 40, 8 << 20);
  EXPECT_EQ(cut_, 0);
  EXPECT_GT(spliced_, carried_ / 4);
}

TEST_F(Faults, AStreamThatMayNotSpliceIsCopied) {
  carry_many({.no_splice = 1000}, 40, 4 << 20);
  EXPECT_EQ(cut_, 0);
  EXPECT_EQ(spliced_, 0u);
  EXPECT_GT(tally().refused_splices, 0u);
  EXPECT_LE(tally().refused_splices, 80u);  // asked once per direction
}

TEST_F(Faults, AStreamThatGetsNoPipeIsCopied) {
  carry_many({.no_pipe = 1000}, 40, 4 << 20);
  EXPECT_EQ(cut_, 0);
  EXPECT_EQ(spliced_, 0u);
  EXPECT_GT(tally().refused_pipes, 0u);
}

TEST_F(Faults, AStreamWhosePipeMayNotBeSizedIsCopied) {
  carry_many({.no_pipe_size = 1000}, 40, 4 << 20);
  EXPECT_EQ(cut_, 0);
  EXPECT_EQ(spliced_, 0u);
  EXPECT_GT(tally().refused_sizes, 0u);
}

TEST_F(Faults, APipeThatIsSmallerThanWishedForIsUsed) {
  carry_many({.no_pipe_size = 600}, 60, 4 << 20);
  EXPECT_EQ(cut_, 0);
  EXPECT_GT(spliced_, 0u);
}

TEST_F(Faults, RefusedSocketOptionsLoseNoByte) {
  carry_many({.no_option = 500}, 60, 4 << 20);
  EXPECT_EQ(cut_, 0);
}

TEST_F(Faults, AResetAtAnyCallEndsTheTunnelAndLeavesNothing) {
  carry_many({.short_count = 100, .try_again = 50, .reset = 10}, 1500, 1 << 20);
  EXPECT_GT(cut_, 300);
  EXPECT_GT(whole_, 30);
}

TEST_F(Faults, EverythingAtOnceLeavesNothing) {
  carry_many({.short_count = 200,
              .try_again = 100,
              .reset = 1,
              .no_splice = 5,
              .no_pipe = 200,
              .no_pipe_size = 300,
              .no_option = 100},
             1000, 1 << 20);
  EXPECT_GT(cut_, 50);
  EXPECT_GT(whole_, 50);
  EXPECT_GT(spliced_, 0u);
}

// fs.epoll.max_user_watches is counted per user, so strangers can use it up: nobody would ever say
// that such a socket has something to read.
TEST_F(Faults, ATunnelWithASocketThatCannotBeWatchedEndsAtOnce) {
  begin({.no_watch = 500}, kSeed);
  for (int i = 0; i < 40; ++i) {
    SCOPED_TRACE("seed " + std::to_string(kSeed) + ", tunnel " + std::to_string(i));
    const uint64_t watched_before = tally().refused_watches;
    Tunnel tunnel(*worker_, kSeed);
    if (tally().refused_watches == watched_before) continue;
    tunnel.client.end_after_sending = tunnel.origin.end_after_sending = false;
    tunnel.begin();
    // Neither peer says or ends anything: the socket that was shut down is all there is to tell.
    ASSERT_TRUE(tunnel.step_until([&] { return tunnel.client.got_end && tunnel.origin.got_end; }));
    tunnel.cancel();
  }
  EXPECT_GT(tally().refused_watches, 20u);
}

TEST_F(Faults, TheKernelIsNeverToldToWaitForMore) {
  // SPLICE_F_MORE holds the end of an answer back for 200 ms.
  carry_many({}, 20, 4 << 20);
  EXPECT_GT(tally().splices, 0u);
  EXPECT_EQ(tally().splices_with_more, 0u);
}

}  // namespace
}  // namespace penstock::faults
