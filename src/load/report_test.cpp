#include "load/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "load/wording.h"

namespace penstock::load {
namespace {

using namespace std::chrono_literals;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

Options options_of(Mode mode) {
  Options options;
  options.mode = mode;
  options.proxy = *Endpoint::parse("127.0.0.1:3128");
  options.target = *http::parse_authority("a.example:443");
  options.connections = 16;
  options.duration = 10s;
  options.bytes = 64;
  return options;
}

Results thousand_setups() {
  Results results;
  for (int i = 1; i <= 1000; ++i) results.setup.record(i * 10us);
  results.tunnels = 1003;
  results.finished = 1000;
  results.open_most = 16;
  results.elapsed = 4s;
  results.cpu = 1500ms;
  results.errors = {{"refused by the proxy: 403 http_request_denied", 2}, {"timed out", 31}};
  return results;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

size_t occurrences(const std::string& text, std::string_view word) {
  size_t count = 0;
  for (size_t at = text.find(word); at != text.npos; at = text.find(word, at + 1)) ++count;
  return count;
}

TEST(Wording, SaysWhatRanAndHow) {
  Options options = options_of(Mode::kSetup);
  EXPECT_EQ(what_ran(options), "setup by CONNECT through 127.0.0.1:3128 to a.example:443");
  EXPECT_EQ(how_it_ran(options), "closed loop of 16 connections, 1 thread, seed 1");
  options.rate = 500;
  options.threads = 2;
  options.sources = {IpAddress::from_v4(127, 1, 0, 1)};
  EXPECT_EQ(how_it_ran(options),
            "open loop of 500/s, gaps exponential, 2 threads, 1 source address, seed 1");
  options = options_of(Mode::kBulk);
  options.way = Way::kRelay;
  options.tls = true;
  options.bytes = 1 << 20;
  options.direction = Direction::kDown;
  EXPECT_EQ(what_ran(options), "bulk of 1MiB down through the relay 127.0.0.1:3128, TLS");
}

TEST(MainLatency, IsTheOneThatTheModeIsAbout) {
  const Results results;
  EXPECT_EQ(&main_latency(Mode::kSetup, results), &results.setup);
  EXPECT_EQ(&main_latency(Mode::kRtt, results), &results.round_trip);
  EXPECT_EQ(&main_latency(Mode::kBulk, results), &results.stream);
  EXPECT_EQ(&main_latency(Mode::kIdle, results), &results.setup);
  EXPECT_EQ(&main_latency(Mode::kMix, results), &results.setup);
}

TEST(Summary, SaysWhatWasDoneHowFastAndWhatWentWrong) {
  const std::string text = summary(options_of(Mode::kSetup), thousand_setups());
  EXPECT_THAT(text, StartsWith("setup by CONNECT through 127.0.0.1:3128 to a.example:443\n"));
  EXPECT_THAT(text, HasSubstr("1,000   set-ups in 4.00 s: 250 per second\n"));
  EXPECT_THAT(text, HasSubstr("1,003   at most 16 open at one time\n"));
  EXPECT_THAT(text, HasSubstr("1.50 s   used by this process\n"));
  EXPECT_THAT(text, Not(HasSubstr("round trip")));
  EXPECT_THAT(text, Not(HasSubstr("wait for room")));
  EXPECT_THAT(text, HasSubstr("33\n"));
  EXPECT_THAT(text, EndsWith("31   timed out\n"
                             "                          2   refused by the proxy: 403 "
                             "http_request_denied\n"))
      << "the most frequent first";
}

TEST(Summary, OfIdleSaysHowLongTunnelsWereHeldAndNoRate) {
  const std::string text = summary(options_of(Mode::kIdle), thousand_setups());
  EXPECT_THAT(text, HasSubstr("1,000   idle tunnels held for 4.00 s\n"));
  EXPECT_THAT(text, Not(HasSubstr("per second")));
}

TEST(Summary, AlignsItsNumbers) {
  Results results = thousand_setups();
  results.round_trip.record(5s);
  results.late = 7;
  results.bytes_up = 5'000'000;
  size_t rows = 0;
  for (const std::string& line : lines_of(summary(options_of(Mode::kRtt), results))) {
    if (!line.starts_with("  ")) continue;
    ++rows;
    ASSERT_GE(line.size(), 27u) << line;
    EXPECT_NE(line[26], ' ') << line;
    if (line.size() > 27) EXPECT_EQ(line[27], ' ') << line;
  }
  EXPECT_EQ(rows, 11u);
}

TEST(Summary, SaysThatThereWereNoErrors) {
  Results results = thousand_setups();
  results.errors.clear();
  EXPECT_THAT(summary(options_of(Mode::kSetup), results), EndsWith("errors                  0\n"));
}

TEST(Json, HasEveryFieldAndLeavesOutLatenciesThatNobodyMeasured) {
  const auto found = nlohmann::json::parse(json(options_of(Mode::kSetup), thousand_setups()));
  EXPECT_EQ(found["mode"], "setup");
  EXPECT_EQ(found["way"], "connect");
  EXPECT_EQ(found["target"], "a.example:443");
  EXPECT_EQ(found["seconds"], 4.0);
  EXPECT_EQ(found["tunnels"], 1003);
  EXPECT_EQ(found["finished"], 1000);
  EXPECT_EQ(found["late"], 0);
  EXPECT_EQ(found["open_most"], 16);
  EXPECT_EQ(found["bytes_up"], 0);
  EXPECT_EQ(found["bytes_down"], 0);
  EXPECT_EQ(found["per_second"], 250.0);
  EXPECT_EQ(found["errors"], (nlohmann::json{{"refused by the proxy: 403 http_request_denied", 2},
                                             {"timed out", 31}}));
  EXPECT_EQ(found["error_count"], 33);
  EXPECT_EQ(found["cpu_seconds"], 1.5);
  for (const char* absent : {"connect", "tls", "round_trip", "stream"}) {
    EXPECT_FALSE(found.contains(absent)) << absent;
  }
  const auto& setup = found["setup"];
  EXPECT_EQ(setup["count"], 1000);
  EXPECT_EQ(setup["min_us"], 10);
  EXPECT_EQ(setup["mean_us"], 5005);
  EXPECT_NEAR(setup["p50_us"], 5000, 5000 / 64.0);
  EXPECT_NEAR(setup["p90_us"], 9000, 9000 / 64.0);
  EXPECT_NEAR(setup["p99_us"], 9900, 9900 / 64.0);
  EXPECT_NEAR(setup["p99_9_us"], 9990, 9990 / 64.0);
  EXPECT_EQ(setup["max_us"], 10'000);
  EXPECT_EQ(setup.size(), 8u);
}

TEST(Json, SurvivesHostileKindsOfErrorsAndARunWithoutTime) {
  Results results;
  results.errors = {{"refused by the proxy: \"\x01\xff", 1}};
  const auto found = nlohmann::json::parse(json(options_of(Mode::kIdle), results));
  EXPECT_EQ(found["errors"].size(), 1u);
  EXPECT_EQ(found["per_second"], 0);
}

TEST(Csv, GivesEachStepOfTheMainLatencyAndEndsAtOneHundredPercent) {
  const auto lines = lines_of(csv(options_of(Mode::kSetup), thousand_setups()));
  ASSERT_GT(lines.size(), 100u);
  EXPECT_EQ(lines[0], "latency_us,count,cumulative,percentile");
  EXPECT_EQ(lines[1].substr(lines[1].find(',')), ",1,1,0.100000");
  EXPECT_EQ(lines.back().substr(0, 10), "10000.000,") << "the last step ends at the maximum";
  EXPECT_THAT(lines.back(), EndsWith(",1000,100.000000"));
}

TEST(Csv, IsAHeadingWhenNothingWasMeasured) {
  EXPECT_EQ(csv(options_of(Mode::kSetup), Results()), "latency_us,count,cumulative,percentile\n");
}

TEST(Plot, DrawsTheCurveAxesAndNamedPercentiles) {
  const std::string svg = plot(options_of(Mode::kSetup), thousand_setups());
  EXPECT_THAT(svg, StartsWith("<svg xmlns=\"http://www.w3.org/2000/svg\""));
  EXPECT_THAT(svg, EndsWith("</svg>\n"));
  EXPECT_EQ(occurrences(svg, "class=\"curve\" d=\"M92.0 "), 1u);
  for (const char* text : {"setup by CONNECT through", "prefers-color-scheme: dark", ">50%<",
                           ">99.9%<", ">10 ms<", "percentile of 1,000 set-ups", "logarithmic"}) {
    EXPECT_THAT(svg, HasSubstr(text));
  }
  EXPECT_EQ(occurrences(svg, "<circle"), 5u) << "p50, p90, p99, p99.9, max";
  EXPECT_EQ(occurrences(svg, "nan") + occurrences(svg, "inf"), 0u);
  EXPECT_EQ(occurrences(svg, "http"), 1u) << "nothing is loaded from anywhere";
}

TEST(Plot, NamesNoPercentileThatTheCountCannotTell) {
  Results results;
  for (int i = 1; i <= 99; ++i) results.setup.record(1ms);
  EXPECT_EQ(occurrences(plot(options_of(Mode::kSetup), results), "<circle"), 3u);
  results.setup.record(1ms);
  EXPECT_EQ(occurrences(plot(options_of(Mode::kSetup), results), "<circle"), 4u);
}

TEST(Plot, StaysWithinItsFrameWhateverTheLatencies) {
  for (const auto& [low, high] : std::vector<std::pair<Duration, Duration>>{
           {1ns, 1ns}, {1ms, 1ms}, {1ns, 24h}, {999'999ns, 1ms}, {499us, 501us}, {5s, 5s}}) {
    Results results;
    results.setup.record(low);
    results.setup.record(high);
    const std::string svg = plot(options_of(Mode::kSetup), results);
    EXPECT_EQ(occurrences(svg, "nan") + occurrences(svg, "inf"), 0u);
    EXPECT_GE(occurrences(svg, "text-anchor=\"end\">"), 3u) << "two latencies and the word max";
    const size_t path = svg.find(" d=\"M") + 5;
    std::istringstream numbers(svg.substr(path));
    double x = 0, y = 0;
    ASSERT_TRUE(numbers >> x >> y);
    EXPECT_EQ(x, 92);
    EXPECT_LE(y, 470) << low.count();
    EXPECT_GE(y, 112) << low.count();
  }
}

TEST(Plot, CutsATitleThatWouldLeaveThePicture) {
  Options options = options_of(Mode::kSetup);
  options.target.host = std::string(200, 'a');
  const std::string svg = plot(options, thousand_setups());
  EXPECT_THAT(svg, HasSubstr("aaa...</text>"));
  EXPECT_THAT(svg, HasSubstr(std::string(200, 'a') + ":443</title>")) << "shown by the pointer";
}

TEST(Plot, SaysSoWhenNothingWasMeasured) {
  EXPECT_THAT(plot(options_of(Mode::kBulk), Results()), HasSubstr("nothing was measured"));
}

TEST(ProgressLine, IsOneShortLine) {
  const std::string line = progress_line(options_of(Mode::kSetup), thousand_setups());
  EXPECT_EQ(line, "4.0 s of 10s  1,000 set-ups  250/s  p99 9.96 ms  33 errors")
      << "9.9 ms, as the upper edge of its step";
  EXPECT_EQ(progress_line(options_of(Mode::kIdle), Results()),
            "0.0 s of 10s  0 idle tunnels  0.00/s  0 errors");
}

}  // namespace
}  // namespace penstock::load
