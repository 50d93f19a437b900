#include "cli/probe_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace penstock::cli {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::StartsWith;

constexpr const char* kUrl = "https://origin.example/";

ProbeOptions of_url(const char* url = kUrl) {
  ProbeOptions out;
  out.url = url;
  return out;
}

ProbeOptions of_model() {
  ProbeOptions out;
  out.model = true;
  out.rtt_client_proxy = "20ms";
  out.rtt_proxy_origin = "35ms";
  return out;
}

probe::Options good(const ProbeOptions& written, const probe::Environment& environment = {}) {
  const auto options = read(written, environment);
  EXPECT_TRUE(options.has_value()) << options.error();
  return options.value_or(probe::Options{});
}

std::string fault(const ProbeOptions& written, const probe::Environment& environment = {}) {
  const auto options = read(written, environment);
  EXPECT_FALSE(options.has_value());
  return options ? "" : options.error();
}

TEST(ProbeOptions, GoDirectlyWhereNothingNamesAProxy) {
  const probe::Options options = good(of_url());
  EXPECT_FALSE(options.proxy);
  EXPECT_EQ(options.proxy_from, "no --proxy, no HTTPS_PROXY");
  EXPECT_EQ(options.runs, 1);
  EXPECT_EQ(options.patience, 10s);
}

TEST(ProbeOptions, TakeTheProxyOfTheEnvironmentUnlessNoProxyExemptsTheHost) {
  const probe::Environment environment{.https_proxy = "http://env.example:3128",
                                       .no_proxy = "test, inside.example"};
  EXPECT_EQ(good(of_url(), environment).proxy->text(), "http://env.example:3128");
  EXPECT_EQ(good(of_url(), environment).proxy_from, "HTTPS_PROXY");
  const probe::Options inside = good(of_url("https://a.inside.example/"), environment);
  EXPECT_FALSE(inside.proxy);
  EXPECT_EQ(inside.proxy_from, "by NO_PROXY");
}

TEST(ProbeOptions, TakeWhatIsWrittenBeforeWhatTheEnvironmentSays) {
  const probe::Environment environment{.https_proxy = "http://env.example:3128", .no_proxy = "*"};
  ProbeOptions written = of_url();
  written.proxy = "https://written.example";
  EXPECT_EQ(good(written, environment).proxy->text(), "https://written.example:443");
  written.proxy.reset();
  written.direct = true;
  EXPECT_FALSE(good(written, environment).proxy);
  written.proxy = "http://written.example";
  EXPECT_THAT(fault(written, environment), HasSubstr("leave out --proxy"));
}

TEST(ProbeOptions, SayWhichOptionHoldsABadProxy) {
  EXPECT_THAT(fault(of_url(), {.https_proxy = "socks5://a:1", .no_proxy = ""}),
              StartsWith("HTTPS_PROXY: "));
  ProbeOptions written = of_url();
  written.proxy = "http://a b";
  EXPECT_THAT(fault(written), StartsWith("--proxy: "));
}

TEST(ProbeOptions, NeedAUrl) {
  EXPECT_THAT(fault({}), HasSubstr("write penstock probe https://example.com/"));
  EXPECT_THAT(fault(of_url("example.com")), HasSubstr("write https://example.com"));
}

TEST(ProbeOptions, HaveBounds) {
  ProbeOptions written = of_url();
  written.runs = "0";
  EXPECT_THAT(fault(written), StartsWith("--runs: \"0\""));
  written.runs = "20";
  written.timeout = "0s";
  EXPECT_THAT(fault(written), StartsWith("--timeout: \"0s\""));
  written.timeout = "1500ms";
  EXPECT_EQ(good(written).runs, 20);
  EXPECT_EQ(good(written).patience, 1500ms);
  written.svg = "";
  EXPECT_THAT(fault(written), StartsWith("--svg: "));
}

TEST(ProbeOptions, CompareWithTheDirectWayOnlyWhereThereIsAProxy) {
  ProbeOptions written = of_url();
  written.compare = "direct";
  EXPECT_THAT(fault(written), HasSubstr("needs a proxy"));
  written.proxy = "127.0.0.1:3128";
  EXPECT_EQ(good(written).compare, probe::Compare::kDirect);
  written.compare = "all";
  EXPECT_THAT(fault(written), HasSubstr("none of direct, model"));
}

TEST(ProbeOptions, TakeRoundTripsForAModelOnly) {
  ProbeOptions written = of_url();
  written.rtt_client_proxy = "20ms";
  EXPECT_THAT(fault(written), HasSubstr("--rtt-client-proxy is for --model or --compare model"));
  written.compare = "model";
  EXPECT_EQ(good(written).assumptions.client_proxy, 20ms);
  EXPECT_FALSE(good(written).assumptions.handshake);
  written.https_proxy = true;
  EXPECT_THAT(fault(written), HasSubstr("https://"));
}

TEST(ProbeOptions, OfAModelNeedItsRoundTripsAndNoRequest) {
  ProbeOptions written = of_model();
  written.tls = "0rtt";
  written.resolve = "8ms";
  written.https_proxy = written.spares = true;
  const probe::Options options = good(written);
  EXPECT_TRUE(options.model);
  EXPECT_EQ(options.assumptions.proxy_origin, 35ms);
  EXPECT_EQ(options.assumptions.handshake, probe::Handshake::kZeroRtt);
  EXPECT_TRUE(options.assumptions.secure_proxy && options.assumptions.spares);
  written.tls = "1.1";
  EXPECT_THAT(fault(written), HasSubstr("none of 1.3, 1.2, resumed, 0rtt"));
  written = of_model();
  written.url = kUrl;
  EXPECT_THAT(fault(written), HasSubstr("--compare model"));
  written = of_model();
  written.runs = "3";
  EXPECT_THAT(fault(written), StartsWith("--runs is for a request"));
  written = of_model();
  written.rtt_proxy_origin.reset();
  EXPECT_THAT(fault(written), StartsWith("--rtt-proxy-origin is missing"));
}

}  // namespace
}  // namespace penstock::cli
