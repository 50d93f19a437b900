// The modes that hold or fill tunnels: bulk, idle, mix. The others are in run_test.cpp.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <tuple>

#include "load/pattern.h"
#include "load/rig_test.h"

namespace penstock::load {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

class Bulk : public testing::TestWithParam<std::tuple<Direction, bool>> {};

TEST_P(Bulk, CarriesEachByte) {
  const auto [direction, tls] = GetParam();
  const RunningOrigin origin({Behaviour::kAny}, tls);
  Options options = with_count(direct(origin.at(), Mode::kBulk), 4);
  options.connections = 2;
  options.direction = direction;
  options.bytes = 3'000'001;
  options.tls = tls;
  const Results results = run(options);
  EXPECT_THAT(results.errors, IsEmpty());
  EXPECT_EQ(results.finished, 4u);
  EXPECT_EQ(results.stream.count(), 4u);
  EXPECT_EQ(results.tls.count(), tls ? 4u : 0u);
  EXPECT_EQ(results.bytes_up, direction == Direction::kDown ? 0 : 4 * options.bytes);
  EXPECT_EQ(results.bytes_down, direction == Direction::kUp ? 0 : 4 * options.bytes);
}

INSTANTIATE_TEST_SUITE_P(EachWay, Bulk,
                         testing::Combine(testing::Values(Direction::kUp, Direction::kDown,
                                                          Direction::kBoth),
                                          testing::Bool()));

TEST(Bulk, FindsAWrongByteInEachDirection) {
  const ScriptedServer server([](Peer& peer, int number) {
    if (number == 0) {  // download: right to the last byte
      peer.hear(4);
      std::string bytes(pattern().at(0, 10).begin(), pattern().at(0, 10).end());
      bytes[9] ^= 1;
      peer.say(bytes);
    } else if (number == 1) {  // upload
      peer.hear();
      peer.say("10 bytes, wrong at 3\n");
    } else {  // both: one too many
      peer.say(peer.hear() + "x");
    }
    peer.end();
  });
  Options options = with_count(direct(server.at(), Mode::kBulk), 1);
  options.bytes = 10;
  for (const Direction direction : {Direction::kDown, Direction::kUp, Direction::kBoth}) {
    options.direction = direction;
    EXPECT_THAT(run(options).errors, ElementsAre(Pair("wrong bytes", 1)));
  }
}

TEST(Bulk, FindsAStreamThatEndsTooSoon) {
  const ScriptedServer server([](Peer& peer, int) {
    peer.hear(4);
    peer.say("E");
    peer.end();
  });
  Options options = with_count(direct(server.at(), Mode::kBulk), 1);
  options.bytes = 10;
  options.direction = Direction::kDown;
  EXPECT_THAT(run(options).errors, ElementsAre(Pair("closed by the peer", 1)));
}

TEST(Bulk, CutsItsStreamsAtTheEndAndCountsTheirBytes) {
  const RunningOrigin origin;
  Options options = direct(origin.at(), Mode::kBulk);
  options.bytes = uint64_t{1} << 50;
  options.duration = 50ms;
  options.direction = Direction::kDown;
  const Results results = run(options);
  EXPECT_THAT(results.errors, IsEmpty());
  EXPECT_EQ(results.finished, 0u);
  EXPECT_GT(results.bytes_down, 0u);
}

TEST(Idle, HoldsItsTunnelsAndFindsThatEachStillWorks) {
  const RunningOrigin origin;
  Options options = direct(origin.at(), Mode::kIdle);
  options.connections = 250;
  options.threads = 2;
  options.duration = 10ms;
  std::vector<int> said;
  const Results results =
      run(options, {},
          {.progress = nullptr, .all_open = [&](int tunnels) { said.push_back(tunnels); }});
  EXPECT_EQ(said, std::vector{250});
  EXPECT_THAT(results.errors, IsEmpty());
  EXPECT_EQ(results.finished, 250u);
  EXPECT_EQ(results.setup.count(), 250u);
  EXPECT_EQ(results.open_most, 250);
  EXPECT_EQ(results.bytes_up, 500u);
}

TEST(Idle, FindsATunnelThatDiedWhileItWasHeld) {
  const ScriptedServer server([](Peer& peer, int number) {
    peer.say(peer.hear(1));
    if (number == 1) peer.end();  // and the other stays silent when it is looked at
  });
  Options options = direct(server.at(), Mode::kIdle);
  options.connections = 2;
  options.duration = 1ms;
  options.patience = 500ms;
  const Results results = run(options);
  EXPECT_THAT(results.errors, ElementsAre(Pair("closed by the peer", 1), Pair("timed out", 1)));
  EXPECT_EQ(results.tunnels, 2u);
  EXPECT_EQ(results.finished, 0u);
}

TEST(Idle, LooksAtItsTunnelsWhenItIsStopped) {
  const RunningOrigin origin;
  Options options = direct(origin.at(), Mode::kIdle);
  options.connections = 5;
  std::stop_source stop;
  const auto when_open = [&](const Results& so_far) {
    if (so_far.tunnels == 5 && so_far.bytes_down == 5) stop.request_stop();
  };
  const Results results =
      run(options, stop.get_token(), {.progress = when_open, .all_open = nullptr});
  EXPECT_EQ(results.finished, 5u);
  EXPECT_EQ(results.bytes_down, 10u);
}

TEST(Mix, PlaysTheBlend) {
  const RunningOrigin origin;
  Options options = direct(origin.at(), Mode::kMix);
  options.connections = 50;
  options.duration = 300ms;
  options.seed = 3;
  const Results results = run(options);
  EXPECT_THAT(results.errors, IsEmpty());
  EXPECT_GE(results.finished, 50u);
  EXPECT_EQ(results.setup.count(), results.finished);
  EXPECT_EQ(results.tunnels, results.finished);
  EXPECT_GT(results.round_trip.count(), 0u);
  EXPECT_GT(results.stream.count(), 0u);
}

}  // namespace
}  // namespace penstock::load
