#include "tunnel/carry.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <memory>
#include <string>

#include "loop/frame.h"
#include "sys/calls.h"
#include "tunnel/testing.h"

namespace penstock::tunnel {
namespace {

using std::chrono::milliseconds;

using testing::kPatient;
using testing::Tunnel;
using testing::Worker;

constexpr uint64_t kMiB = 1 << 20;

class Carry : public ::testing::Test {
 protected:
  ~Carry() override {
    EXPECT_EQ(worker_.relay.pipes().in_use(), 0u);
    EXPECT_EQ(loop::live_frames(), frames_);
  }

  // The bytes that a client gets which begins to read now, `expected` if it gets them all; the
  // tunnel is over then.
  static size_t heard_to_the_end(Tunnel& tunnel, size_t expected) {
    size_t heard = 0;
    EXPECT_TRUE(tunnel.step_until([&] {
      heard += tunnel.client.read_all().size();
      return tunnel.over || heard == expected;
    }));
    heard += tunnel.client.read_all().size();
    EXPECT_TRUE(tunnel.step_until([&] { return tunnel.over; }));
    return heard;
  }

  size_t pipes_made() { return worker_.relay.pipes().in_use() + worker_.relay.pipes().idle(); }

  const int64_t frames_ = loop::live_frames();
  Worker worker_;
};

// The process has no descriptor to spare while this lives.
class NoDescriptors {
 public:
  NoDescriptors() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    rlimit none = before_;
    none.rlim_cur = 0;
    ::setrlimit(RLIMIT_NOFILE, &none);
  }
  ~NoDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

void expect_all_arrived(const Tunnel& tunnel, uint64_t up, uint64_t down) {
  EXPECT_FALSE(tunnel.outcome.has_value());
  EXPECT_TRUE(tunnel.client.intact);
  EXPECT_TRUE(tunnel.origin.intact);
  EXPECT_EQ(tunnel.origin.received, up);
  EXPECT_EQ(tunnel.client.received, down);
  EXPECT_EQ(tunnel.up_bytes.total(), up);
  EXPECT_EQ(tunnel.down_bytes.total(), down);
}

TEST_F(Carry, DeliversEveryByteBothWaysInPiecesOfRandomSize) {
  constexpr uint64_t kSeed = 20260817;
  Random random(kSeed);
  for (int i = 0; i < 24; ++i) {
    SCOPED_TRACE("seed " + std::to_string(kSeed) + ", tunnel " + std::to_string(i));
    // Sizes of every magnitude from one byte to 32 MiB.
    const uint64_t up = 1 + random.below(uint64_t{1} << (1 + i % 25));
    const uint64_t down = 1 + random.below(uint64_t{1} << (1 + (24 - i) % 25));
    Tunnel tunnel(worker_, random.next());
    tunnel.client.to_send = up;
    tunnel.origin.to_send = down;
    tunnel.begin();
    ASSERT_TRUE(tunnel.complete());
    expect_all_arrived(tunnel, up, down);
  }
}

TEST_F(Carry, DeliversEveryByteThroughSmallSocketBuffers) {
  Tunnel tunnel(worker_, 5, {.peer_receives = 4096, .proxy_sends = 4096});
  tunnel.client.to_send = 3 * kMiB;
  tunnel.origin.to_send = kMiB / 3;
  tunnel.begin();
  ASSERT_TRUE(tunnel.complete());
  expect_all_arrived(tunnel, 3 * kMiB, kMiB / 3);
}

TEST_F(Carry, PassesTheClientsEndOnAndStillCarriesTheReply) {
  Tunnel tunnel(worker_, 1);
  tunnel.client.to_send = 100;
  tunnel.origin.end_after_sending = false;
  tunnel.begin();
  ASSERT_TRUE(tunnel.step_until([&] { return tunnel.origin.got_end; }));
  EXPECT_EQ(tunnel.origin.received, 100u);
  EXPECT_FALSE(tunnel.over);
  tunnel.origin.to_send = 2 * kMiB;
  tunnel.origin.end_after_sending = true;
  ASSERT_TRUE(tunnel.complete());
  expect_all_arrived(tunnel, 100, 2 * kMiB);
}

TEST_F(Carry, PassesTheOriginsEndOnAndStillCarriesWhatTheClientSends) {
  Tunnel tunnel(worker_, 2);
  tunnel.origin.to_send = 100;
  tunnel.client.end_after_sending = false;
  tunnel.begin();
  ASSERT_TRUE(tunnel.step_until([&] { return tunnel.client.got_end; }));
  EXPECT_FALSE(tunnel.over);
  tunnel.client.to_send = 2 * kMiB;
  tunnel.client.end_after_sending = true;
  ASSERT_TRUE(tunnel.complete());
  expect_all_arrived(tunnel, 2 * kMiB, 100);
}

TEST_F(Carry, AddsNothingWhenTheOriginClosesAtOnce) {
  Tunnel tunnel(worker_, 3);
  tunnel.origin.close();
  tunnel.client.end_after_sending = false;
  tunnel.begin();
  ASSERT_TRUE(tunnel.step_until([&] { return tunnel.client.got_end; }));
  tunnel.client.end();
  ASSERT_TRUE(tunnel.step_until([&] { return tunnel.over; }));
  EXPECT_EQ(tunnel.client.received, 0u);
  EXPECT_FALSE(tunnel.outcome.has_value());
}

TEST_F(Carry, DeliversWhatWasInFlightWhenTheSenderClosed) {
  Tunnel tunnel(worker_, 4);
  tunnel.client.to_send = 300'000;
  tunnel.origin.reads = false;
  tunnel.begin();
  ASSERT_TRUE(tunnel.step_until([&] { return tunnel.client.to_send == 0; }));
  tunnel.client.close();
  tunnel.settle();
  tunnel.origin.reads = true;
  ASSERT_TRUE(tunnel.step_until([&] { return tunnel.over && tunnel.origin.got_end; }));
  EXPECT_EQ(tunnel.origin.received, 300'000u);
  EXPECT_TRUE(tunnel.origin.intact);
}

TEST_F(Carry, DeliversAnAnswerBeforeTheResetThatFollowsIt) {
  Tunnel tunnel(worker_, 41, {.peer_receives = 4096});
  tunnel.client.reads = tunnel.client.end_after_sending = false;
  tunnel.begin();
  const std::string answer(100'000, 'a');
  tunnel.origin.write(answer);
  tunnel.origin.close();
  tunnel.settle();
  tunnel.client.write("x");  // and nothing more that the RST could refuse
  tunnel.settle();
  EXPECT_EQ(heard_to_the_end(tunnel, answer.size()), answer.size());
  EXPECT_EQ(tunnel.outcome->code, Code::kOriginLeft);
}

TEST_F(Carry, DeliversTheAnswerOfAnOriginThatResetAnUploadAndNeverCallsItWhole) {
  Tunnel tunnel(worker_, 43, {.peer_receives = 4096});
  tunnel.client.reads = tunnel.client.end_after_sending = false;
  tunnel.begin();
  const std::string answer(60'000, 'a');
  tunnel.client.write("an upload that is never read");
  tunnel.settle();
  tunnel.origin.write(answer);
  tunnel.origin.close();  // with bytes unread: the kernel sends an RST behind the answer
  tunnel.client.write("more of it");
  tunnel.settle();
  EXPECT_EQ(heard_to_the_end(tunnel, answer.size()), answer.size());
  ASSERT_TRUE(tunnel.outcome);
  EXPECT_EQ(tunnel.outcome->code, Code::kOriginReset);
}

TEST_F(Carry, WaitsForNobodyWhenTheClientOfAnAnswerIsGone) {
  Tunnel tunnel(worker_, 40, {.peer_receives = 4096});
  tunnel.client.reads = tunnel.client.end_after_sending = false;
  tunnel.begin();
  tunnel.origin.write(std::string(100'000, 'a'));
  tunnel.origin.close();
  tunnel.settle();
  tunnel.client.write("x");  // refused by the origin: what is left is to wait for the client
  tunnel.settle();
  ASSERT_GT(sys::calls::unsent(tunnel.client_stream.fd()), 0);
  EXPECT_FALSE(tunnel.over);
  tunnel.client.reset();
  EXPECT_TRUE(tunnel.step_until([&] { return tunnel.over; }));
}

TEST_F(Carry, DeliversFirstWhatTheClientSentBehindItsRequest) {
  Tunnel tunnel(worker_, 6);
  tunnel.client.end_after_sending = false;
  tunnel.origin.reads = false;
  const std::string first(96 * 1024, 'f');
  tunnel.up->deliver_first({first.begin(), first.end()});
  tunnel.client.write("and then the rest");
  tunnel.begin();
  tunnel.settle();
  EXPECT_EQ(tunnel.origin.read_all(), first + "and then the rest");
  EXPECT_EQ(tunnel.up_bytes.total(), first.size() + 17);
}

struct ResetCase {
  bool by_client;
  bool ended_before;  // it had sent its FIN
  bool other_reads;   // else the direction away from it is blocked
};

class Reset : public Carry, public ::testing::WithParamInterface<ResetCase> {};

TEST_P(Reset, ReachesTheOtherSideAsAReset) {
  const ResetCase& row = GetParam();
  Tunnel tunnel(worker_, 7);
  auto& resetting = row.by_client ? tunnel.client : tunnel.origin;
  auto& other = row.by_client ? tunnel.origin : tunnel.client;
  resetting.end_after_sending = row.ended_before;
  other.end_after_sending = false;
  other.reads = row.other_reads;
  resetting.to_send = row.other_reads ? 1000 : 64 * kMiB;
  tunnel.begin();
  if (row.other_reads) {
    ASSERT_TRUE(tunnel.step_until([&] { return other.received == 1000; }));
    ASSERT_TRUE(tunnel.step_until([&] { return !row.ended_before || other.got_end; }));
  } else {
    for (int i = 0; i < 3000; ++i) tunnel.step();
    ASSERT_GT(resetting.to_send, 0u);  // blocked, with bytes under way
  }
  resetting.reset();
  ASSERT_TRUE(tunnel.step_until([&] { return tunnel.over; }));
  ASSERT_TRUE(tunnel.outcome.has_value());
  const Code by_origin = row.ended_before ? Code::kOriginLeft : Code::kOriginReset;
  EXPECT_EQ(tunnel.outcome->code, row.by_client ? Code::kClientReset : by_origin);
  EXPECT_NE(tunnel.outcome->sys_errno, 0);
  other.reads = true;
  other.got_end = false;
  int error = 0;
  socklen_t length = sizeof(error);
  ASSERT_TRUE(tunnel.step_until([&] {
    ::getsockopt(other.fd(), SOL_SOCKET, SO_ERROR, &error, &length);
    return error != 0 || other.got_error != 0;
  }));
  // EPIPE: the reset came after a FIN.
  EXPECT_TRUE(error == ECONNRESET || error == EPIPE || other.got_error == ECONNRESET)
      << error << ' ' << other.got_error;
}

INSTANTIATE_TEST_SUITE_P(
    OfEitherSide, Reset,
    ::testing::Values(ResetCase{true, false, true}, ResetCase{false, false, true},
                      ResetCase{true, true, true}, ResetCase{false, true, true},
                      ResetCase{true, false, false}, ResetCase{false, false, false}));

TEST_F(Carry, StopsReadingWhenTheOriginDoesAndHoldsAtMostOnePipe) {
  Tunnel tunnel(worker_, 8);
  tunnel.client.to_send = 256 * kMiB;
  tunnel.client.end_after_sending = false;
  tunnel.origin.reads = false;
  tunnel.begin();
  uint64_t before = 1;
  while (before != tunnel.client.sent) {
    before = tunnel.client.sent;
    for (int i = 0; i < 500; ++i) tunnel.step();
  }
  EXPECT_GT(tunnel.client.to_send, 0u);
  EXPECT_EQ(tunnel.up->state(), Flow::State::kBlocked);
  EXPECT_LE(tunnel.up->held_bytes(), static_cast<size_t>(PipePool::kPipeBytes));
  EXPECT_LE(worker_.relay.pipes().in_use(), 1u);
  tunnel.client.to_send = 3;
  tunnel.client.end_after_sending = true;
  tunnel.origin.reads = true;
  ASSERT_TRUE(tunnel.complete());
  expect_all_arrived(tunnel, tunnel.client.sent, 0);
}

TEST_F(Carry, HoldsAtMostOneBufferOfASlowReaderWhenItCopies) {
  Tunnel tunnel(worker_, 9);
  const NoDescriptors none;
  tunnel.client.to_send = 256 * kMiB;
  tunnel.client.end_after_sending = false;
  tunnel.origin.reads = false;
  tunnel.begin();
  size_t most = 0;
  for (int i = 0; i < 3000; ++i) {
    tunnel.step();
    most = std::max(most, tunnel.up->held_bytes());
  }
  EXPECT_GT(most, 0u);
  EXPECT_LE(most, Relay::kBufferBytes);
  tunnel.client.to_send = 3;
  tunnel.client.end_after_sending = true;
  tunnel.origin.reads = true;
  ASSERT_TRUE(tunnel.complete());
  expect_all_arrived(tunnel, tunnel.client.sent, 0);
  EXPECT_EQ(tunnel.up_bytes.spliced, 0u);
}

TEST_F(Carry, SplicesAStreamThatFlowsAndThenOwnsNothing) {
  Tunnel tunnel(worker_, 10);
  tunnel.client.to_send = 8 * kMiB;
  tunnel.client.end_after_sending = false;
  tunnel.begin();
  ASSERT_TRUE(tunnel.step_until([&] { return tunnel.origin.received == 8 * kMiB; }));
  tunnel.settle();
  EXPECT_GT(tunnel.up_bytes.spliced, 0u);
  EXPECT_EQ(worker_.relay.pipes().in_use(), 0u);
  EXPECT_EQ(tunnel.up->held_bytes(), 0u);
  tunnel.client.end();
  ASSERT_TRUE(tunnel.complete());
  expect_all_arrived(tunnel, 8 * kMiB, 0);
}

TEST_F(Carry, CopiesAConversationAndNeverMakesAPipe) {
  Tunnel tunnel(worker_, 11);
  tunnel.client.end_after_sending = tunnel.origin.end_after_sending = false;
  tunnel.begin();
  for (int i = 0; i < 500; ++i) {
    tunnel.client.to_send = 64;
    ASSERT_TRUE(tunnel.step_until([&] { return tunnel.origin.received == 64u * (i + 1); }));
    tunnel.origin.to_send = 700;
    ASSERT_TRUE(tunnel.step_until([&] { return tunnel.client.received == 700u * (i + 1); }));
    ASSERT_EQ(tunnel.up->held_bytes() + tunnel.down->held_bytes(), 0u);
  }
  EXPECT_EQ(pipes_made(), 0u);
  EXPECT_EQ(tunnel.up_bytes.copied, 500u * 64);
  EXPECT_EQ(tunnel.down_bytes.copied, 500u * 700);
}

TEST_F(Carry, DoesNotHoldBackAHundredBytesBehindALongStream) {
  Tunnel tunnel(worker_, 12);
  tunnel.client.end_after_sending = tunnel.origin.end_after_sending = false;
  tunnel.begin();
  uint64_t total = 0;
  // Long enough to earn a low-water mark, more than once.
  for (int round = 0; round < 3; ++round) {
    for (const uint64_t more : {48 * kMiB, uint64_t{100}, uint64_t{1}, uint64_t{5000}}) {
      total += more;
      tunnel.origin.to_send = more;
      ASSERT_TRUE(tunnel.step_until([&] { return tunnel.client.received == total; })) << more;
    }
  }
  EXPECT_TRUE(tunnel.client.intact);
}

TEST_F(Carry, StartsCleanAfterATunnelThatWasCutWithBytesInItsPipe) {
  uint64_t spliced = 0;
  for (int i = 0; i < 20; ++i) {
    {
      Tunnel cut(worker_, 1000 + i);
      cut.client.to_send = 64 * kMiB;
      cut.begin();
      // Reads only to let go what was copied: the next that blocks is a full pipe.
      ASSERT_TRUE(cut.step_until([&] {
        const bool piped = worker_.relay.pipes().in_use() == 1;
        cut.origin.reads = !piped && cut.up->held_bytes() > 0;
        return piped && cut.up->held_bytes() > 0;
      }));
      if (i % 2 == 0) cut.cancel();
    }
    ASSERT_EQ(worker_.relay.pipes().in_use(), 0u);
    Tunnel next(worker_, 2000 + i);
    next.client.to_send = 4 * kMiB;
    next.begin();
    ASSERT_TRUE(next.complete());
    expect_all_arrived(next, 4 * kMiB, 0);
    spliced += next.up_bytes.spliced;
  }
  EXPECT_GT(spliced, 0u);
}

TEST_F(Carry, KeepsAnUrgentByteInItsPlaceWhenItCopies) {
  Tunnel tunnel(worker_, 13);
  tunnel.client.end_after_sending = tunnel.origin.reads = false;
  tunnel.client.write("abc");
  tunnel.client.write("d", MSG_OOB);
  tunnel.client.write("efg");
  tunnel.begin();
  std::string got;
  ASSERT_TRUE(tunnel.step_until([&] { return (got += tunnel.origin.read_all()).size() >= 7; }));
  EXPECT_EQ(got, "abcdefg");
}

TEST_F(Carry, KeepsAnUrgentByteInItsPlaceWhenItSplices) {
  for (const bool with_end : {false, true}) {
    Tunnel tunnel(worker_, 14);
    tunnel.client.end_after_sending = false;
    tunnel.client.to_send = 16 * kMiB;
    tunnel.begin();
    // Spliced and with the source not yet empty: the urgent byte arrives behind unread bytes.
    ASSERT_TRUE(tunnel.step_until([&] { return tunnel.client.to_send == 0; }));
    const uint64_t before = tunnel.client.sent;
    ASSERT_TRUE(tunnel.step_until([&] { return tunnel.origin.received == before; }));
    ASSERT_GT(tunnel.up_bytes.spliced, 0u);
    tunnel.origin.reads = false;
    const std::string head(30'000, 'x');
    const std::string tail(30'000, 'z');
    tunnel.client.write(head);
    tunnel.client.write("y", MSG_OOB);
    tunnel.client.write(tail);
    if (with_end) tunnel.client.end();
    std::string got;
    ASSERT_TRUE(
        tunnel.step_until([&] { return (got += tunnel.origin.read_all()).size() > 60'000; }));
    EXPECT_TRUE(got == head + "y" + tail) << got.size();
  }
}

TEST_F(Carry, EndsASilentTunnelAsIdleAndResetsBothSides) {
  Tunnel tunnel(worker_, 15);
  tunnel.client.end_after_sending = tunnel.origin.end_after_sending = false;
  tunnel.client.to_send = 1000;
  tunnel.begin({.idle = milliseconds(30), .half_closed = {}, .lifetime_end = kNever});
  ASSERT_TRUE(tunnel.step_until([&] { return tunnel.over && tunnel.origin.got_error != 0; }));
  ASSERT_TRUE(tunnel.step_until([&] { return tunnel.client.got_error != 0; }));
  EXPECT_EQ(tunnel.outcome->code, Code::kIdle);
  EXPECT_EQ(tunnel.origin.received, 1000u);
  EXPECT_EQ(tunnel.origin.got_error, ECONNRESET);
  EXPECT_EQ(tunnel.client.got_error, ECONNRESET);
}

TEST_F(Carry, IsNotIdleWhileBytesMoveEitherWay) {
  Tunnel tunnel(worker_, 16);
  tunnel.client.end_after_sending = tunnel.origin.end_after_sending = false;
  constexpr auto kIdle = milliseconds(200);
  tunnel.begin({.idle = kIdle, .half_closed = {}, .lifetime_end = kNever});
  const Instant until = Clock::now() + 3 * kIdle;
  while (Clock::now() < until) {
    tunnel.origin.to_send = 1;
    tunnel.step();
  }
  EXPECT_FALSE(tunnel.over);
}

TEST_F(Carry, EndsAHalfClosedTunnelWhoseOtherSideStaysSilent) {
  Tunnel tunnel(worker_, 17);
  tunnel.client.to_send = 10;
  tunnel.origin.end_after_sending = false;
  tunnel.begin(
      {.idle = std::chrono::hours(1), .half_closed = milliseconds(30), .lifetime_end = kNever});
  ASSERT_TRUE(tunnel.step_until([&] { return tunnel.over; }));
  EXPECT_EQ(tunnel.outcome->code, Code::kHalfClosed);
  EXPECT_TRUE(tunnel.origin.got_end);
}

TEST_F(Carry, EndsABusyTunnelAtTheEndOfItsLife) {
  Tunnel tunnel(worker_, 18);
  tunnel.client.to_send = tunnel.origin.to_send = UINT64_MAX / 2;
  tunnel.begin({.idle = {}, .half_closed = {}, .lifetime_end = Clock::now() + milliseconds(30)});
  ASSERT_TRUE(tunnel.step_until([&] { return tunnel.over; }));
  EXPECT_EQ(tunnel.outcome->code, Code::kLifetime);
  EXPECT_TRUE(tunnel.origin.intact);
}

TEST_F(Carry, SleepsWhileATunnelIsIdleOrBlocked) {
  Tunnel idle(worker_, 19);
  Tunnel blocked(worker_, 20);
  idle.client.end_after_sending = idle.origin.end_after_sending = false;
  blocked.client.to_send = 256 * kMiB;
  blocked.origin.reads = false;
  idle.begin({.idle = std::chrono::hours(1), .half_closed = {}, .lifetime_end = kNever});
  blocked.begin();
  uint64_t before = 1;
  while (before != blocked.client.sent) {
    before = blocked.client.sent;
    for (int i = 0; i < 500; ++i) blocked.step();
  }
  // A turn that may sleep does, until a timer of ours: nothing of the tunnels wakes it.
  const uint64_t turns = worker_.loop.usage().turns.load();
  loop::Timer timer(worker_.loop);
  timer.arm(Clock::now() + milliseconds(50));
  while (!timer.expired()) worker_.loop.turn(true);
  // On a busy machine the kernel still moves a window or two; a spin would be thousands of turns.
  EXPECT_LE(worker_.loop.usage().turns.load() - turns, 100u);
}

TEST_F(Carry, WakesAPacedTunnelByItself) {
  Tunnel tunnel(worker_, 21);
  tunnel.client.end_after_sending = false;
  tunnel.up->cap(1 << 20);  // a burst of 51 KiB
  tunnel.up->deliver_first(std::vector<uint8_t>(10, 'f'));
  tunnel.client.to_send = 300'000;
  ASSERT_TRUE(tunnel.step_until([&] { return tunnel.client.sent >= 120'000; }));
  tunnel.origin.reads = false;
  tunnel.begin();
  EXPECT_EQ(tunnel.up->state(), Flow::State::kPaced);
  std::string got;
  ASSERT_TRUE(
      tunnel.step_until([&] { return (got += tunnel.origin.read_all()).size() == 300'010; }));
  EXPECT_EQ(tunnel.up_bytes.total(), 300'010u);
}

TEST_F(Carry, SplicesWhatTheKernelEncryptsAndTellsItsTransport) {
  testing::Kernel::Facts facts;
  Tunnel tunnel(worker_, 23);
  tunnel.client_stream.put_on(std::make_unique<testing::Kernel>(tunnel.client_stream.fd(), facts));
  tunnel.client.to_send = tunnel.origin.to_send = 16 * kMiB;
  tunnel.begin();
  ASSERT_TRUE(tunnel.complete());
  expect_all_arrived(tunnel, 16 * kMiB, 16 * kMiB);
  EXPECT_GT(tunnel.up_bytes.spliced, 0u);
  EXPECT_GT(tunnel.down_bytes.spliced, 0u);
  EXPECT_EQ(facts.noted, tunnel.down_bytes.spliced);
}

TEST_F(Carry, DoesNotEndBeforeTheKernelHasPassedEverythingOn) {
  testing::Kernel::Facts facts{.held_back = 1};
  Tunnel tunnel(worker_, 24);
  tunnel.client_stream.put_on(std::make_unique<testing::Kernel>(tunnel.client_stream.fd(), facts));
  tunnel.begin();
  ASSERT_TRUE(tunnel.step_until([&] { return tunnel.client.got_end && tunnel.origin.got_end; }));
  tunnel.settle();
  EXPECT_FALSE(tunnel.over);
  facts.held_back = 0;
  ASSERT_TRUE(tunnel.complete());
  EXPECT_FALSE(tunnel.outcome.has_value());
}

TEST_F(Carry, CutsATunnelWhoseClientLeavesTheKernelWithItsBytes) {
  testing::Kernel::Facts facts{.held_back = 1};
  Tunnel tunnel(worker_, 25);
  tunnel.client_stream.put_on(std::make_unique<testing::Kernel>(tunnel.client_stream.fd(), facts));
  tunnel.begin({Duration::zero(), milliseconds(20), kNever});
  ASSERT_TRUE(tunnel.step_until([&] { return tunnel.over; }));
  ASSERT_TRUE(tunnel.outcome.has_value());
  EXPECT_EQ(tunnel.outcome->code, Code::kHalfClosed);
}

TEST_F(Carry, LeavesNothingBehindWhenItIsCancelled) {
  Tunnel tunnel(worker_, 22);
  tunnel.client.to_send = tunnel.origin.to_send = 64 * kMiB;
  tunnel.begin();
  ASSERT_TRUE(tunnel.step_until([&] { return tunnel.up_bytes.total() > 4 * kMiB; }));
  EXPECT_GT(loop::live_frames(), frames_);
  tunnel.cancel();
  EXPECT_EQ(loop::live_frames(), frames_);
  EXPECT_EQ(worker_.relay.pipes().in_use(), 0u);
}

}  // namespace
}  // namespace penstock::tunnel
