#include "cli/load_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <string>
#include <vector>

namespace penstock::cli {
namespace {

using namespace std::chrono_literals;
using load::Mode;
using load::Way;
using testing::HasSubstr;

LoadOptions through_proxy() {
  LoadOptions written;
  written.proxy = "http://127.0.0.1:3128";
  written.target = "a.example:443";
  return written;
}

LoadOptions direct() {
  LoadOptions written;
  written.direct = true;
  written.target = "127.0.0.1:9000";
  return written;
}

// What is refused, and with which words.
std::string refusal(const LoadOptions& written) {
  const auto options = read(written);
  return options ? "accepted" : options.error();
}

TEST(LoadOptions, OfASetupRunHaveDefaults) {
  const auto options = read(through_proxy());
  ASSERT_TRUE(options) << options.error();
  EXPECT_EQ(options->mode, Mode::kSetup);
  EXPECT_EQ(options->way, Way::kConnect);
  EXPECT_EQ(options->proxy.text(), "127.0.0.1:3128");
  EXPECT_EQ(options->target.text(), "a.example:443");
  EXPECT_EQ(options->rate, 0);
  EXPECT_EQ(options->connections, 16);
  EXPECT_EQ(options->duration, 10s);
  EXPECT_EQ(options->count, 0u);
  EXPECT_EQ(options->warm_up, 0s);
  EXPECT_EQ(options->patience, 30s);
  EXPECT_EQ(options->threads, 1);
  EXPECT_EQ(options->errors_max, 0u);
  EXPECT_EQ(options->sources.size(), 64u);
}

TEST(LoadOptions, OfOtherModesHaveDefaultsOfTheirOwn) {
  struct Case {
    const char* mode;
    int connections;
    uint64_t bytes;
  };
  for (const Case& expected : {Case{"rtt", 16, 64}, Case{"bulk", 4, 64 << 20},
                               Case{"idle", 1000, 0}, Case{"mix", 16, 0}}) {
    LoadOptions written = through_proxy();
    written.mode = expected.mode;
    const auto options = read(written);
    ASSERT_TRUE(options) << options.error();
    EXPECT_EQ(options->connections, expected.connections) << expected.mode;
    EXPECT_EQ(options->bytes, expected.bytes) << expected.mode;
  }
}

TEST(LoadOptions, TakeTheProxyWithAndWithoutItsScheme) {
  for (const char* text : {"http://127.0.0.1:3128", "http://127.0.0.1:3128/", "127.0.0.1:3128"}) {
    LoadOptions written = through_proxy();
    written.proxy = text;
    const auto options = read(written);
    ASSERT_TRUE(options) << text;
    EXPECT_EQ(options->proxy.text(), "127.0.0.1:3128");
  }
}

TEST(LoadOptions, TakeEverythingAtOnce) {
  LoadOptions written = direct();
  written.mode = "bulk";
  written.rate = "2.5/s";
  written.arrivals = "fixed";
  written.max_open = "7";
  written.duration = "1m";
  written.count = "9";
  written.warm_up = "500ms";
  written.timeout = "2s";
  written.bytes = "16KiB";
  written.direction = "down";
  written.threads = "2";
  written.seed = "18446744073709551615";
  written.sources = "127.0.0.2,127.0.0.3";
  written.max_errors = "3";
  written.csv = "a.csv";
  written.plot = "a.svg";
  written.tls = written.json = true;
  const auto options = read(written);
  ASSERT_TRUE(options) << options.error();
  EXPECT_EQ(options->mode, Mode::kBulk);
  EXPECT_EQ(options->way, Way::kDirect);
  EXPECT_EQ(options->rate, 2.5);
  EXPECT_EQ(options->arrivals, load::Arrivals::kFixed);
  EXPECT_EQ(options->connections_max, 7);
  EXPECT_EQ(options->duration, 1min);
  EXPECT_EQ(options->count, 9u);
  EXPECT_EQ(options->warm_up, 500ms);
  EXPECT_EQ(options->patience, 2s);
  EXPECT_EQ(options->bytes, 16384u);
  EXPECT_EQ(options->direction, load::Direction::kDown);
  EXPECT_EQ(options->threads, 2);
  EXPECT_EQ(options->seed, UINT64_MAX);
  ASSERT_EQ(options->sources.size(), 2u);
  EXPECT_EQ(options->sources[1].text(), "127.0.0.3");
  EXPECT_EQ(options->errors_max, 3u);
  EXPECT_EQ(options->csv, "a.csv");
  EXPECT_EQ(options->plot, "a.svg");
  EXPECT_TRUE(options->tls);
  EXPECT_TRUE(options->json);
}

TEST(LoadOptions, WithACountAloneRunUntilItIsReached) {
  LoadOptions written = through_proxy();
  written.count = "100";
  EXPECT_EQ(read(written)->duration, 0s);
}

TEST(LoadOptions, OfARelayNeedNoTarget) {
  LoadOptions written = through_proxy();
  written.relay = true;
  written.target.reset();
  const auto options = read(written);
  ASSERT_TRUE(options) << options.error();
  EXPECT_EQ(options->way, Way::kRelay);
  EXPECT_EQ(options->target.text(), "127.0.0.1:3128");
}

TEST(LoadOptions, UseSourcesOfLoopbackOnlyTowardsLoopback) {
  LoadOptions written = through_proxy();
  written.sources = "3";
  const auto options = read(written);
  ASSERT_TRUE(options) << options.error();
  ASSERT_EQ(options->sources.size(), 3u);
  for (const IpAddress& source : options->sources) {
    EXPECT_TRUE(IpPrefix::parse("127.0.0.0/8")->contains(source));
    EXPECT_NE(source.text(), "127.0.0.1");
  }
  written.proxy = "192.0.2.1:3128";
  EXPECT_EQ(refusal(written),
            "--sources: 3 addresses of 127.0.0.0/8 cannot reach 192.0.2.1; list addresses of this "
            "machine");
  written.sources.reset();
  EXPECT_TRUE(read(written)->sources.empty());
}

TEST(LoadOptions, OfRttTakeARateOverConnections) {
  LoadOptions written = through_proxy();
  written.mode = "rtt";
  written.rate = "1000";
  written.connections = "8";
  const auto options = read(written);
  ASSERT_TRUE(options) << options.error();
  EXPECT_EQ(options->rate, 1000);
  EXPECT_EQ(options->connections, 8);
}

// Each mistake is said with what would be right.
struct Mistake {
  std::function<void(LoadOptions&)> make;
  const char* words;
};

void expect_refused(const std::vector<Mistake>& mistakes) {
  for (const Mistake& mistake : mistakes) {
    LoadOptions written = through_proxy();
    mistake.make(written);
    const std::string found = refusal(written);
    EXPECT_THAT(found, HasSubstr(mistake.words));
    EXPECT_EQ(found.find('\n'), found.npos);
  }
}

TEST(LoadOptions, SayWhatIsWrongWithTheWayAndWhatWouldBeRight) {
  expect_refused({
      {[](auto& o) { o.proxy.reset(); }, "--proxy is missing; write --proxy http://127.0.0.1:3128"},
      {[](auto& o) { o.proxy = "https://127.0.0.1:3128"; }, "TLS to the proxy"},
      {[](auto& o) { o.proxy = "localhost:3128"; }, "\"localhost:3128\" is no address with a port"},
      {[](auto& o) { o.proxy = "127.0.0.1:0"; }, "is no address with a port"},
      {[](auto& o) { o.direct = true; }, "--direct goes without a proxy; leave out --proxy"},
      {[](auto& o) { o.target.reset(); }, "--target is missing; write --target 127.0.0.1:9000"},
      {[](auto& o) { o.target = "a.example"; }, "write HOST:PORT"},
      {[](auto& o) { o.mode = "setups"; }, "\"setups\" is none of setup, rtt, bulk, idle, mix"},
  });
}

TEST(LoadOptions, SayWhatIsWrongWithThePaceAndWhatWouldBeRight) {
  expect_refused({
      {[](auto& o) { o.rate = "fast"; }, "write 500 or 500/s"},
      {[](auto& o) { o.rate = ""; }, "\"\" is no rate"},
      {[](auto& o) { o.rate = "0"; }, "\"0\" is no rate"},
      {[](auto& o) { o.rate = "-5"; }, "\"-5\" is no rate"},
      {[](auto& o) { o.rate = "nan"; }, "\"nan\" is no rate"},
      {[](auto& o) { o.rate = "1e400"; }, "\"1e400\" is no rate"},
      {[](auto& o) {
         o.rate = "5";
         o.connections = "5";
       },
       "give one of them"},
      {[](auto& o) {
         o.rate = "5";
         o.mode = "idle";
       },
       "--rate does not fit --mode idle"},
      {[](auto& o) { o.connections = "0"; }, "no whole number from 1 to 1000000"},
      {[](auto& o) { o.arrivals = "fixed"; }, "--arrivals is for an open loop; give --rate"},
      {[](auto& o) {
         o.arrivals = "even";
         o.rate = "5";
       },
       "none of exponential, fixed"},
      {[](auto& o) { o.max_open = "5"; }, "--max-open is for an open loop"},
      {[](auto& o) {
         o.max_open = "5";
         o.rate = "5";
         o.mode = "rtt";
       },
       "keeps --connections"},
  });
}

TEST(LoadOptions, SayWhatIsWrongWithTheRestAndWhatWouldBeRight) {
  expect_refused({
      {[](auto& o) { o.duration = "10"; }, "write a whole number with a unit, such as 500ms"},
      {[](auto& o) { o.duration = "0s"; }, "no duration longer than nothing"},
      {[](auto& o) { o.timeout = "0s"; }, "no duration longer than nothing"},
      {[](auto& o) { o.warm_up = "soon"; }, "--warm-up: \"soon\" is no duration;"},
      {[](auto& o) {
         o.count = "5";
         o.mode = "idle";
       },
       "--count is for work that is repeated"},
      {[](auto& o) {
         o.warm_up = "5s";
         o.mode = "idle";
       },
       "--warm-up is for work"},
      {[](auto& o) { o.bytes = "1MiB"; }, "--bytes is for --mode bulk"},
      {[](auto& o) {
         o.bytes = "1M";
         o.mode = "bulk";
       },
       "write 64B, 16KiB or 1GiB"},
      {[](auto& o) {
         o.bytes = "0B";
         o.mode = "bulk";
       },
       "no size from 1B"},
      {[](auto& o) {
         o.bytes = "1MiB";
         o.mode = "rtt";
       },
       "no size from 1B to 256KiB"},
      {[](auto& o) { o.direction = "up"; }, "--direction is for --mode bulk"},
      {[](auto& o) {
         o.direction = "left";
         o.mode = "bulk";
       },
       "none of up, down, both"},
      {[](auto& o) { o.threads = "0"; }, "no whole number from 1 to 256"},
      {[](auto& o) {
         o.threads = "4";
         o.connections = "1";
       },
       "cannot share 1 connection;"},
      {[](auto& o) { o.seed = "-1"; }, "--seed: \"-1\""},
      {[](auto& o) { o.sources = "0"; }, "from 1 to 60000; a list of addresses is fine"},
      {[](auto& o) { o.sources = "127.0.0.2,"; }, "\"\" is no address"},
      {[](auto& o) { o.sources = "127.0.0.2,::1"; }, "not of one family"},
      {[](auto& o) { o.max_errors = "few"; }, "--max-errors: \"few\""},
      {[](auto& o) { o.csv = ""; }, "--csv: \"\" is no file name"},
  });
}

TEST(LoadOptions, WithoutAProxyNeedAnAddressToGoTo) {
  LoadOptions written = direct();
  EXPECT_EQ(refusal(written), "accepted");
  written.target = "a.example:443";
  EXPECT_THAT(refusal(written), HasSubstr("with --direct nobody looks it up; write an address"));
  written.target = "127.0.0.1:9000";
  written.relay = true;
  EXPECT_THAT(refusal(written), HasSubstr("leave out --relay"));
}

TEST(LoadOriginOptions, NameListenersAndTheirBehaviours) {
  const auto options =
      read(LoadOriginOptions{{"127.0.0.1:9000", "[::1]:0=silent", "127.0.0.1:0=sink"}, "2", true});
  ASSERT_TRUE(options) << options.error();
  ASSERT_EQ(options->listeners.size(), 3u);
  EXPECT_EQ(options->listeners[0].address.text(), "127.0.0.1:9000");
  EXPECT_EQ(options->listeners[0].behaviour, load::Behaviour::kAny);
  EXPECT_EQ(options->listeners[1].address.text(), "[::1]:0");
  EXPECT_EQ(options->listeners[1].behaviour, load::Behaviour::kSilent);
  EXPECT_EQ(options->listeners[2].behaviour, load::Behaviour::kSink);
  EXPECT_EQ(options->threads, 2);
  EXPECT_TRUE(options->tls);
}

TEST(LoadOriginOptions, SayWhatIsWrongAndWhatWouldBeRight) {
  const auto said = [](std::vector<std::string> listen, Word threads = {}) {
    const auto options = read(LoadOriginOptions{std::move(listen), std::move(threads), false});
    return options ? "accepted" : options.error();
  };
  EXPECT_THAT(said({}), HasSubstr("--listen is missing"));
  EXPECT_THAT(said({"9000"}), HasSubstr("write 127.0.0.1:9000 or 127.0.0.1:9000=echo"));
  EXPECT_THAT(said({"127.0.0.1:0=loud"}), HasSubstr("\"loud\" is none of any, echo, source"));
  EXPECT_THAT(said({"127.0.0.1:0="}), HasSubstr("\"\" is none of any"));
  EXPECT_THAT(said({"127.0.0.1:0"}, "0"), HasSubstr("--threads"));
}

}  // namespace
}  // namespace penstock::cli
