#include "load/run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "load/rig_test.h"

namespace penstock::load {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

constexpr const char* kEstablished = "HTTP/1.1 200 Connection Established\r\n\r\n";

TEST(Setup, OpensTunnelsOneAfterTheOtherUntilItsCount) {
  const RunningOrigin origin;
  Options options = with_count(direct(origin.at(), Mode::kSetup), 101);
  options.connections = 7;
  const Results results = run(options);
  EXPECT_THAT(results.errors, IsEmpty());
  EXPECT_EQ(results.finished, 101u);
  EXPECT_EQ(results.tunnels, 101u);
  EXPECT_EQ(results.setup.count(), 101u);
  EXPECT_EQ(results.connect.count(), 101u);
  EXPECT_EQ(results.bytes_up, 101u);
  EXPECT_EQ(results.bytes_down, 101u);
  EXPECT_GE(results.open_most, 1);
  EXPECT_LE(results.open_most, 7);
  EXPECT_LE(results.connect.max(), results.setup.max());
  EXPECT_GT(results.elapsed, Duration::zero());
}

TEST(Setup, AsksTheProxyForTheTargetInOneHead) {
  std::string head;
  {
    const ScriptedServer proxy([&](Peer& peer, int) {
      head = peer.hear_head();
      peer.say("HTTP/1.1 200 ");
      peer.say("Fine\r\n\r\n");
      echo_all(peer);
    });
    const Results results = run(with_count(through(proxy.at(), Mode::kSetup), 1));
    EXPECT_THAT(results.errors, IsEmpty());
    EXPECT_EQ(results.finished, 1u);
  }
  EXPECT_EQ(head, "CONNECT origin.example:443 HTTP/1.1\r\nHost: origin.example:443\r\n\r\n");
}

TEST(Setup, ThroughARelayAsksNothing) {
  std::string first;
  {
    const ScriptedServer relay([&](Peer& peer, int) {
      first = peer.hear(1);
      peer.say(first);
    });
    Options options = with_count(through(relay.at(), Mode::kSetup), 1);
    options.way = Way::kRelay;
    EXPECT_EQ(run(options).finished, 1u);
  }
  EXPECT_EQ(first, "E");
}

TEST(Setup, SpreadsOverItsSourceAddresses) {
  const RunningOrigin origin;
  Options options = with_count(direct(origin.at(), Mode::kSetup), 4);
  options.sources = {IpAddress::from_v4(127, 5, 5, 1), IpAddress::from_v4(127, 5, 5, 2)};
  EXPECT_EQ(run(options).finished, 4u);
  // An address that is not ours cannot be a source: it is really used.
  options.sources = {IpAddress::from_v4(192, 0, 2, 1)};
  EXPECT_THAT(run(options).errors, ElementsAre(Pair("out of ports", 4)));
}

TEST(Setup, CountsWhatTheProxyAnswersByKind) {
  const std::vector<std::pair<std::string, std::string>> answers = {
      {"HTTP/1.1 403 Forbidden\r\nProxy-Status: p; error=http_request_denied\r\n\r\nno",
       "refused by the proxy: 403 http_request_denied"},
      {"HTTP/1.1 502 Bad Gateway\r\n\r\n", "refused by the proxy: 502"},
      {"SSH-2.0-x\r\n", "bad answer from the proxy: the answer is not HTTP/1"},
      {std::string(kEstablished) + "surprise", "bytes that nobody asked for"},
      {kEstablished, "closed by the peer"},
      {"", "closed by the proxy without an answer"},
  };
  const ScriptedServer proxy([&](Peer& peer, int number) {
    peer.hear_head();
    peer.say(answers[static_cast<size_t>(number)].first);
    peer.end();
  });
  for (const auto& [answer, kind] : answers) {
    const Results results = run(with_count(through(proxy.at(), Mode::kSetup), 1));
    EXPECT_THAT(results.errors, ElementsAre(Pair(kind, 1))) << answer;
    EXPECT_EQ(results.finished, 0u) << answer;
    EXPECT_EQ(results.setup.count(), 0u) << answer;
  }
}

TEST(Setup, CountsWrongBytesAndResets) {
  const ScriptedServer server([](Peer& peer, int number) {
    peer.hear(1);
    if (number == 0) peer.say("e");
    if (number == 1) peer.reset();
  });
  EXPECT_THAT(run(with_count(direct(server.at(), Mode::kSetup), 1)).errors,
              ElementsAre(Pair("wrong bytes", 1)));
  EXPECT_THAT(run(with_count(direct(server.at(), Mode::kSetup), 1)).errors,
              ElementsAre(Pair("reset by the peer", 1)));
}

TEST(Setup, CountsRefusedConnections) {
  const auto gone = sys::open_listener(Endpoint::parse("127.0.0.1:0").value(), {});
  const Endpoint at = sys::local_endpoint(gone->get()).value();
  ::shutdown(gone->get(), SHUT_RDWR);  // bound, so that nobody else has the port, but not listening
  EXPECT_THAT(run(with_count(direct(at, Mode::kSetup), 2)).errors,
              ElementsAre(Pair("connection refused", 2)));
}

TEST(Setup, LosesPatienceWithASilentOriginAndASilentProxy) {
  const RunningOrigin origin({Behaviour::kSilent});
  Options options = with_count(direct(origin.at(), Mode::kSetup), 2);
  options.patience = 20ms;
  EXPECT_THAT(run(options).errors, ElementsAre(Pair("timed out", 2)));
  options = with_count(through(origin.at(), Mode::kSetup), 1);
  options.patience = 20ms;
  EXPECT_THAT(run(options).errors, ElementsAre(Pair("timed out waiting for the proxy", 1)));
}

// One at a time: while the first is stalled, nobody else can begin, and each who should have is as
// late as that made it. Measured from when they did begin, nobody would seem to have waited.
TEST(OpenLoop, MeasuresFromTheIntendedStart) {
  const ScriptedServer server([](Peer& peer, int number) {
    if (number > 0) echo_all(peer);
  });
  Options options = with_count(direct(server.at(), Mode::kSetup), 5);
  options.rate = 100;
  options.arrivals = Arrivals::kFixed;
  options.connections_max = 1;
  options.patience = 400ms;
  const Results results = run(options);
  EXPECT_THAT(results.errors, ElementsAre(Pair("timed out", 1)));
  EXPECT_EQ(results.finished, 4u);
  EXPECT_EQ(results.late, 4u);
  // Intended at 10, 20, 30 and 40 ms; begun at 400 at the earliest.
  EXPECT_GE(results.setup.max(), 380ms);
  EXPECT_GE(results.setup.min(), 350ms);
}

TEST(OpenLoop, BeginsEachStartWhetherOrNotEarlierOnesHaveFinished) {
  const RunningOrigin origin({Behaviour::kSilent});
  Options options = with_count(direct(origin.at(), Mode::kSetup), 20);
  options.rate = 2000;
  options.arrivals = Arrivals::kFixed;
  options.patience = 500ms;
  const Results results = run(options);
  EXPECT_THAT(results.errors, ElementsAre(Pair("timed out", 20)));
  EXPECT_EQ(results.late, 0u);
  EXPECT_EQ(results.open_most, 20);
}

TEST(OpenLoop, CountsStartsThatNeverFoundRoom) {
  const RunningOrigin origin({Behaviour::kSilent});
  Options options = direct(origin.at(), Mode::kSetup);
  options.rate = 1000;
  options.arrivals = Arrivals::kFixed;
  options.connections_max = 1;
  options.duration = 50ms;
  options.patience = 100ms;
  const Results results = run(options);
  EXPECT_EQ(results.error_count(), 50u) << "each of the intended starts is accounted for";
  EXPECT_GE(results.errors.at("never started: no room"), 1u);
  EXPECT_EQ(results.elapsed, 50ms) << "what is waited for behind the end is not of the run";
}

TEST(OpenLoop, KeepsItsRate) {
  const RunningOrigin origin;
  Options options = direct(origin.at(), Mode::kSetup);
  options.rate = 1000;
  options.arrivals = Arrivals::kFixed;
  options.duration = 300ms;
  options.threads = 2;
  const Results results = run(options);
  EXPECT_THAT(results.errors, IsEmpty());
  EXPECT_EQ(results.finished, 300u);
}

TEST(WarmUp, IsNotCounted) {
  const RunningOrigin origin;
  Options options = direct(origin.at(), Mode::kSetup);
  options.rate = 1000;
  options.arrivals = Arrivals::kFixed;
  options.warm_up = 100ms;
  options.duration = 50ms;
  EXPECT_EQ(run(options).finished, 50u);
}

TEST(Rtt, PingsOverTunnelsThatStayOpen) {
  const RunningOrigin origin;
  Options options = with_count(direct(origin.at(), Mode::kRtt), 1000);
  options.connections = 3;
  const Results results = run(options);
  EXPECT_THAT(results.errors, IsEmpty());
  EXPECT_EQ(results.tunnels, 3u);
  EXPECT_EQ(results.setup.count(), 3u);
  EXPECT_EQ(results.finished, 1000u);
  EXPECT_EQ(results.round_trip.count(), 1000u);
  EXPECT_EQ(results.bytes_up, 3 + 64'000u);
  EXPECT_EQ(results.bytes_down, 3 + 64'000u);
  EXPECT_EQ(results.open_most, 3);
}

TEST(Rtt, TakesMessagesThatFillEveryBuffer) {
  const RunningOrigin origin;
  Options options = with_count(direct(origin.at(), Mode::kRtt), 20);
  options.bytes = 256 * 1024;
  const Results results = run(options);
  EXPECT_THAT(results.errors, IsEmpty());
  EXPECT_EQ(results.finished, 20u);
}

TEST(Rtt, AtARateGivesEachPingToAFreeTunnel) {
  const RunningOrigin origin;
  Options options = with_count(direct(origin.at(), Mode::kRtt), 100);
  options.connections = 4;
  options.rate = 2000;
  options.threads = 2;
  const Results results = run(options);
  EXPECT_THAT(results.errors, IsEmpty());
  EXPECT_EQ(results.finished, 100u);
  EXPECT_EQ(results.tunnels, 4u);
}

TEST(Rtt, AtARateMakesAPingWaitForABusyTunnel) {
  // The only tunnel never answers its first ping, so the second, due meanwhile, has none to go to.
  const ScriptedServer server([](Peer& peer, int) {
    peer.say(peer.hear(1));
    peer.hear(8);
  });
  Options options = with_count(direct(server.at(), Mode::kRtt), 2);
  options.bytes = 8;
  options.rate = 100;
  options.arrivals = Arrivals::kFixed;
  options.patience = 300ms;
  const Results results = run(options);
  EXPECT_THAT(results.errors, ElementsAre(Pair("no tunnel left", 1), Pair("timed out", 1)));
  EXPECT_EQ(results.late, 1u);
}

TEST(Rtt, FindsAnAnswerToAnotherPing) {
  const ScriptedServer server([](Peer& peer, int) {
    peer.say(peer.hear(1));
    const std::string first = peer.hear(64);
    peer.say(first);
    peer.hear(64);
    peer.say(first);
  });
  const Results results = run(with_count(direct(server.at(), Mode::kRtt), 5));
  EXPECT_THAT(results.errors, ElementsAre(Pair("wrong bytes", 1)));
  EXPECT_EQ(results.finished, 1u);
}

TEST(Tls, IsMeasuredInsideTheTunnel) {
  const RunningOrigin origin({Behaviour::kAny}, true);
  Options options = with_count(direct(origin.at(), Mode::kSetup), 5);
  options.tls = true;
  const Results results = run(options);
  EXPECT_THAT(results.errors, IsEmpty());
  EXPECT_EQ(results.tls.count(), 5u);
  EXPECT_EQ(results.finished, 5u);
  EXPECT_GE(results.setup.min(), results.tls.min());
}

TEST(Tls, ThatFailsIsCounted) {
  const RunningOrigin plain({Behaviour::kEcho});
  Options options = with_count(direct(plain.at(), Mode::kSetup), 1);
  options.tls = true;
  EXPECT_THAT(run(options).errors, ElementsAre(Pair("TLS handshake: TLS failed", 1)));
}

TEST(Run, EndsWhenItIsStoppedWithWhatItHas) {
  const RunningOrigin origin;
  Options options = direct(origin.at(), Mode::kSetup);
  options.connections = 4;
  options.threads = 2;
  std::stop_source stop;
  uint64_t seen = 0;
  const auto when_one_is_done = [&](const Results& so_far) {
    seen = so_far.finished;
    if (seen > 0) stop.request_stop();
  };
  const Results results =
      run(options, stop.get_token(), {.progress = when_one_is_done, .all_open = nullptr});
  EXPECT_GT(seen, 0u);
  EXPECT_GE(results.finished, seen);
  EXPECT_THAT(results.errors, IsEmpty()) << "what is cut off is no error";
}

TEST(Run, BoundsTheKindsOfErrors) {
  const ScriptedServer proxy([](Peer& peer, int number) {
    peer.hear_head();
    peer.say("HTTP/1.1 500 x\r\nProxy-Status: p; error=e" + std::to_string(number) + "\r\n\r\n");
  });
  Options options = with_count(through(proxy.at(), Mode::kSetup), 100);
  options.connections = 20;
  const Results results = run(options);
  EXPECT_EQ(results.errors.size(), 65u);
  EXPECT_EQ(results.errors.at("other"), 36u);
  EXPECT_EQ(results.error_count(), 100u);
}

}  // namespace
}  // namespace penstock::load
