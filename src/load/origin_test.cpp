#include "load/origin.h"

#include <gtest/gtest.h>

#include "load/pattern.h"
#include "load/rig_test.h"

namespace penstock::load {
namespace {

std::string text_of(uint64_t offset, size_t size) {
  const auto bytes = pattern().at(offset, size);
  return {bytes.begin(), bytes.end()};
}

TEST(Origin, EchoesUntilTheEnd) {
  const RunningOrigin origin({Behaviour::kEcho});
  Peer peer(origin.at());
  peer.say("Shello");
  EXPECT_EQ(peer.hear(6), "Shello");
  peer.say(text_of(0, 100'000));
  EXPECT_EQ(peer.hear(100'000), text_of(0, 100'000));
  peer.end();
  EXPECT_EQ(peer.hear(), "");
  EXPECT_EQ(peer.error(), 0);
}

TEST(Origin, SendsAsManyBytesAsItIsAskedFor) {
  const RunningOrigin origin({Behaviour::kSource});
  Peer peer(origin.at());
  peer.say("S100");
  peer.say("000\n");
  EXPECT_EQ(peer.hear(), text_of(0, 100'000));
}

TEST(Origin, EndsWithoutAWordWhenTheOrderIsNone) {
  const RunningOrigin origin({Behaviour::kSource});
  for (const char* order : {"S\n", "Sx\n", "X5\n", "S99999999999999999999999999\n", "S-1\n"}) {
    Peer peer(origin.at());
    peer.say(order);
    EXPECT_EQ(peer.hear(), "") << order;
  }
}

TEST(Origin, ChecksEachByteThatItSwallows) {
  const RunningOrigin origin({Behaviour::kSink});
  Peer good(origin.at());
  good.say("K" + text_of(0, 200'000));
  good.say(text_of(200'000, 17));
  good.end();
  EXPECT_EQ(good.hear(), "200017 bytes ok\n");

  std::string bytes = text_of(0, 200'000);
  bytes[123'456] ^= 1;
  Peer bad(origin.at());
  bad.say("K" + bytes);
  bad.end();
  EXPECT_EQ(bad.hear(), "200000 bytes, wrong at 123456\n");

  Peer stranger(origin.at());
  stranger.say("GET / HTTP/1.1\r\n");
  stranger.end();
  EXPECT_EQ(stranger.hear(), "15 bytes, wrong at 0\n");
}

TEST(Origin, LetsTheFirstByteDecide) {
  const RunningOrigin origin;
  Peer echo(origin.at()), source(origin.at()), sink(origin.at()), nothing(origin.at());
  echo.say("E!");
  EXPECT_EQ(echo.hear(2), "E!");
  source.say("S3\n");
  EXPECT_EQ(source.hear(), text_of(0, 3));
  sink.say("K");
  sink.end();
  EXPECT_EQ(sink.hear(), "0 bytes ok\n");
  nothing.end();
  EXPECT_EQ(nothing.hear(), "");
}

TEST(Origin, MayStaySilent) {
  const RunningOrigin origin({Behaviour::kSilent});
  Peer peer(origin.at());
  peer.say("hello?");
  peer.end();
  EXPECT_EQ(peer.hear(), "");
  EXPECT_EQ(peer.error(), 0) << "an end, not a reset and not the guard's time-out";
}

TEST(Origin, MayReset) {
  const RunningOrigin origin({Behaviour::kReset});
  Peer peer(origin.at());
  peer.say("x");
  EXPECT_EQ(peer.hear(), "");
  EXPECT_EQ(peer.error(), ECONNRESET);
}

TEST(Origin, MayBeSlow) {
  const RunningOrigin origin({Behaviour::kSlow});
  Peer peer(origin.at());
  const auto began = Clock::now();
  peer.say(text_of(0, 64) + text_of(0, 64));
  EXPECT_EQ(peer.hear(128).size(), 128u);
  peer.end();
  EXPECT_EQ(peer.hear(), "");
  EXPECT_GE(Clock::now() - began, 125ms) << "128 bytes at 1 KiB a second";
}

TEST(Origin, ServesOnSeveralThreadsAndListeners) {
  const RunningOrigin origin({Behaviour::kEcho, Behaviour::kSource}, false, 2);
  EXPECT_NE(origin.at(0), origin.at(1));
  for (int i = 0; i < 20; ++i) {
    Peer echo(origin.at(0)), source(origin.at(1));
    echo.say("S2\n");
    source.say("S2\n");
    EXPECT_EQ(echo.hear(3), "S2\n");
    EXPECT_EQ(source.hear(), text_of(0, 2));
  }
}

TEST(Origin, SaysWhereItCannotListen) {
  OriginOptions options;
  options.listeners.push_back({Endpoint::parse("192.0.2.1:4000").value(), Behaviour::kAny});
  const auto result = run_origin(options, {}, [](const auto&) { FAIL(); });
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error(), "cannot listen on 192.0.2.1:4000: Cannot assign requested address");
}

TEST(Origin, SharesItsPortWithNoOtherOrigin) {
  for (const int threads : {1, 2}) {
    const RunningOrigin first({Behaviour::kEcho}, false, threads);
    for (const int others : {1, 2}) {
      OriginOptions options{
          .listeners = {{first.at(), Behaviour::kEcho}}, .tls = false, .threads = others};
      // Ends at once where it could listen.
      std::stop_source stop;
      stop.request_stop();
      const auto second = run_origin(options, stop.get_token(), [](const auto&) {});
      ASSERT_FALSE(second.has_value()) << threads << " threads, and then " << others;
      EXPECT_EQ(second.error(),
                "cannot listen on " + first.at().text() + ": Address already in use");
    }
  }
}

TEST(Origin, DoesNotListenTwiceInOnePlace) {
  for (const int threads : {1, 2}) {
    Endpoint free = Endpoint::parse("127.0.0.1:0").value();
    free.port = sys::local_endpoint(sys::open_listener(free, {})->get())->port;
    const OriginOptions options{.listeners = {{free, Behaviour::kEcho}, {free, Behaviour::kSink}},
                                .tls = false,
                                .threads = threads};
    std::stop_source stop;
    stop.request_stop();
    EXPECT_FALSE(run_origin(options, stop.get_token(), [](const auto&) {}).has_value());
  }
}

TEST(Behaviour, HasAWord) {
  EXPECT_EQ(behaviour_of("any"), Behaviour::kAny);
  EXPECT_EQ(behaviour_of("slow"), Behaviour::kSlow);
  EXPECT_EQ(behaviour_of("Any"), std::nullopt);
}

}  // namespace
}  // namespace penstock::load
