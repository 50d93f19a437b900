#include "tunnel/flow.h"

#include <gtest/gtest.h>

#include <memory>
#include <span>
#include <string>

#include "sys/calls.h"
#include "tunnel/testing.h"

namespace penstock::tunnel {
namespace {

using std::chrono::milliseconds;
using State = Flow::State;

constexpr size_t kMiB = 1 << 20;

// One direction, pumped by hand.
class FlowTest : public ::testing::Test {
 protected:
  FlowTest() : tunnel_(worker_, 1) { poll(); }

  Flow& flow() { return *tunnel_.up; }
  Carried& carried() { return tunnel_.up_bytes; }
  void poll() { worker_.loop.turn(false); }
  State pump() {
    poll();
    return flow().pump(worker_.loop.now());
  }
  // As much as the kernel takes.
  size_t fill_source() {
    const std::string block(kMiB, 'b');
    size_t total = 0;
    for (ssize_t n;
         (n = ::send(tunnel_.client.fd(), block.data(), block.size(), MSG_NOSIGNAL)) > 0;) {
      total += static_cast<size_t>(n);
    }
    return total;
  }
  int low_water() {
    int bytes = 0;
    socklen_t length = sizeof(bytes);
    ::getsockopt(tunnel_.client_stream.fd(), SOL_SOCKET, SO_RCVLOWAT, &bytes, &length);
    return bytes;
  }
  size_t drain_sink() { return tunnel_.origin.read_all().size(); }

  testing::Worker worker_;
  testing::Tunnel tunnel_;
};

TEST_F(FlowTest, WaitsForItsSourceAndForNothingElseWhileThereIsNothingToRead) {
  EXPECT_EQ(pump(), State::kBlocked);
  EXPECT_EQ(flow().interest_in_source(), loop::kReadable);
  EXPECT_EQ(flow().interest_in_sink(), 0);
  EXPECT_EQ(flow().resume_at(), kNever);
}

TEST_F(FlowTest, WaitsForItsSinkAndForNothingElseWhileItHoldsBytes) {
  size_t sent = 0;
  size_t before = 1;
  while (before != sent) {
    before = sent;
    sent += fill_source();
    pump();
  }
  EXPECT_EQ(flow().state(), State::kBlocked);
  EXPECT_EQ(flow().interest_in_source(), 0);
  EXPECT_EQ(flow().interest_in_sink(), loop::kWritable);
  EXPECT_EQ(flow().resume_at(), kNever);
}

TEST_F(FlowTest, MovesAtMostItsShareInOneTurn) {
  size_t sent = 0;
  for (int i = 0; i < 100; ++i) {
    sent += fill_source();
    const uint64_t before = carried().total();
    pump();
    ASSERT_LE(carried().total() - before, Flow::kShareBytes + Relay::kBufferBytes);
    drain_sink();
  }
  EXPECT_GT(carried().spliced, 0u);
  EXPECT_GE(sent, carried().total());
}

TEST_F(FlowTest, CountsWhatTheSinkAcceptedAndNotWhatItHolds) {
  const size_t sent = fill_source();
  while (pump() == State::kBusy) continue;
  EXPECT_LE(carried().total() + flow().held_bytes(), sent);
  EXPECT_GT(flow().held_bytes() + carried().total(), 0u);
  size_t received = drain_sink();
  while (received < sent) {
    pump();
    received += drain_sink();
  }
  EXPECT_EQ(carried().total(), sent);
}

TEST_F(FlowTest, GoesBackToCopyingAfterAShortRun) {
  size_t received = 0;
  size_t sent = 0;
  for (int i = 0; i < 20; ++i) {
    sent += fill_source();
    while (received < sent) {
      pump();
      received += drain_sink();
    }
  }
  ASSERT_GT(carried().spliced, 0u);
  // The first small message may still go through a pipe, and may wait for the low-water mark; the
  // next do neither.
  tunnel_.client.write("first");
  for (size_t got = 0; got < 5; got += drain_sink()) pump();
  pump();
  const uint64_t spliced = carried().spliced;
  for (int i = 0; i < 10; ++i) {
    tunnel_.client.write("small");
    EXPECT_EQ(pump(), State::kBlocked);
  }
  EXPECT_EQ(carried().spliced, spliced);
  EXPECT_EQ(worker_.relay.pipes().in_use(), 0u);
  EXPECT_EQ(drain_sink(), 50u);
}

TEST_F(FlowTest, WaitsForALowWaterMarkForTwoMillisecondsAtMost) {
  // All at one instant: as fast as a stream can be, so it earns the mark.
  const Instant now = worker_.loop.now();
  size_t received = 0;
  size_t sent = 0;
  while (sent < 64 * kMiB) {
    sent += fill_source();
    while (received < sent && flow().resume_at() == kNever) {
      poll();
      flow().pump(now);
      received += drain_sink();
    }
    if (flow().resume_at() != kNever) break;
  }
  ASSERT_EQ(flow().resume_at(), now + milliseconds(2));
  ASSERT_GE(carried().total(), 16 * kMiB);
  ASSERT_GT(low_water(), 100);
  // The end of an answer, far below the mark.
  tunnel_.client.write(std::string(100, 'e'));
  sent += 100;
  for (int i = 0; i < 10'000 && received < sent; ++i) {
    poll();
    flow().pump(now + milliseconds(2));
    received += drain_sink();
  }
  EXPECT_EQ(received, sent);
  EXPECT_EQ(low_water(), 1);
  EXPECT_EQ(flow().resume_at(), kNever);
  EXPECT_EQ(worker_.relay.pipes().in_use(), 0u);
}

// Its bytes are in user space, where the kernel cannot move them.
class Plain final : public loop::Transport {
 public:
  explicit Plain(int fd) : fd_(fd) {}
  loop::Moved read(std::span<uint8_t> into) override {
    return {sys::calls::recv(fd_, into.data(), into.size())};
  }
  loop::Moved write(std::span<const uint8_t> from) override {
    return {sys::calls::send(fd_, from.data(), from.size())};
  }
  bool shutdown_write() override { return sys::calls::shutdown(fd_, SHUT_WR) == 0; }

 private:
  int fd_;
};

TEST_F(FlowTest, CopiesWhatComesThroughATransport) {
  tunnel_.client_stream.put_on(std::make_unique<Plain>(tunnel_.client_stream.fd()));
  Carried bytes;
  Flow flow(worker_.relay, tunnel_.client_stream, tunnel_.origin_stream, bytes);
  size_t received = 0;
  size_t sent = 0;
  for (int i = 0; i < 10; ++i) {
    sent += fill_source();
    while (received < sent) {
      poll();
      flow.pump(worker_.loop.now());
      received += drain_sink();
    }
  }
  EXPECT_EQ(bytes.copied, sent);
  EXPECT_EQ(bytes.spliced, 0u);
}

// Says its end in words of its own, for which there is no room at first.
class Wordy final : public loop::Transport {
 public:
  explicit Wordy(bool& room) : room_(room) {}
  loop::Moved read(std::span<uint8_t>) override { return {-EAGAIN}; }
  loop::Moved write(std::span<const uint8_t> from) override {
    return {static_cast<long>(from.size())};
  }
  bool shutdown_write() override { return room_; }

 private:
  bool& room_;
};

TEST_F(FlowTest, IsNotDoneBeforeTheEndHasBeenSaid) {
  bool room = false;
  tunnel_.origin_stream.put_on(std::make_unique<Wordy>(room));
  Carried bytes;
  Flow flow(worker_.relay, tunnel_.client_stream, tunnel_.origin_stream, bytes);
  flow.close_follows();  // which says it for a socket, and not for a transport
  tunnel_.client.end();
  while (!flow.ended()) {
    poll();
    flow.pump(worker_.loop.now());
  }
  EXPECT_EQ(flow.state(), State::kBlocked);
  EXPECT_EQ(flow.interest_in_source(), 0);
  EXPECT_EQ(flow.interest_in_sink(), loop::kWritable);
  room = true;
  EXPECT_EQ(flow.pump(worker_.loop.now()), State::kDone);
}

TEST_F(FlowTest, KeepsToItsCapAndSplices) {
  constexpr uint64_t kBandwidth = 8 * kMiB;
  flow().cap(kBandwidth);
  const Instant start = worker_.loop.now();
  Instant now = start;
  uint64_t moved = 0;
  for (int i = 0; i < 100; ++i) {
    fill_source();
    poll();
    const State state = flow().pump(now);
    drain_sink();
    if (state == State::kPaced) {
      ASSERT_GT(flow().resume_at(), now);
      EXPECT_EQ(worker_.relay.pipes().in_use(), 0u);
      now = flow().resume_at();
    }
    moved = carried().total() + flow().held_bytes();
    const double seconds = std::chrono::duration<double>(now - start).count();
    const double burst = 0.05 * static_cast<double>(kBandwidth);
    ASSERT_LE(static_cast<double>(moved), seconds * static_cast<double>(kBandwidth) + burst + 1);
  }
  const double seconds = std::chrono::duration<double>(now - start).count();
  EXPECT_GE(static_cast<double>(moved), 0.9 * seconds * static_cast<double>(kBandwidth));
  EXPECT_GT(carried().spliced, moved / 2);
}

TEST_F(FlowTest, MovesNothingWhileItIsPaced) {
  flow().cap(kMiB);
  fill_source();
  poll();
  const Instant now = worker_.loop.now();
  while (flow().pump(now) != State::kPaced) continue;
  const uint64_t before = carried().total();
  EXPECT_EQ(flow().pump(now + milliseconds(1)), State::kPaced);
  EXPECT_EQ(carried().total(), before);
  EXPECT_EQ(flow().interest_in_source(), 0);
  EXPECT_EQ(flow().interest_in_sink(), 0);
}

TEST_F(FlowTest, SaysWithWhichErrorItsSourceFailed) {
  tunnel_.client.reset();
  EXPECT_EQ(pump(), State::kReadFailed);
  EXPECT_EQ(flow().error(), ECONNRESET);
}

TEST_F(FlowTest, SaysWithWhichErrorItsSinkFailed) {
  tunnel_.origin.reset();
  tunnel_.client.write("x");
  EXPECT_EQ(pump(), State::kWriteFailed);
  EXPECT_TRUE(flow().error() == ECONNRESET || flow().error() == EPIPE);
}

TEST_F(FlowTest, IsSmall) {
  EXPECT_LE(sizeof(Flow), 96u);
}

}  // namespace
}  // namespace penstock::tunnel
