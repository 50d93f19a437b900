#include "trace/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

namespace penstock::trace {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

// Knows everything but accept queues, as sock_ops does.
class FakeSource final : public bpf::Source {
 public:
  bpf::Readings read() override { return {}; }
  bool measures(bpf::Measure measure) const override { return measure != bpf::kAcceptQueue; }
  bool counts(bpf::Event) const override { return true; }
  std::string what() const override { return "a fake"; }
};

const Span kSpan{.name = "interval", .ended = "2026-11-23T05:40:00.123Z", .length = 1s};

bpf::Readings readings_of(const bpf::Where& where) {
  bpf::Readings out;
  bpf::record(out.distributions[{where, bpf::kConnect}], 40'000);
  out.counts[{where, bpf::kEstablished, 0}] = 1;
  out.counts[{where, bpf::kConnectFailed, ECONNREFUSED}] = 2;
  out.counts[{where, bpf::kResetReceived, 2}] = 2;
  return out;
}

TEST(Text, NamesErrnosAndStates) {
  const std::string said = text(kSpan, FakeSource(), readings_of({}));
  EXPECT_THAT(said, HasSubstr("failed 2 (2 ECONNREFUSED)"));
  EXPECT_THAT(said, HasSubstr("resets received 2 (2 syn_sent)"));
  EXPECT_THAT(said, HasSubstr("established 1,")) << "which has no detail";
  EXPECT_THAT(said, HasSubstr("connect              1   40.0 ms"));
}

TEST(Text, SaysWhatItsSourceCannotKnowInsteadOfZero) {
  const std::string said = text(kSpan, FakeSource(), {});
  EXPECT_THAT(said, HasSubstr("accept queue   not known to this back end"));
}

TEST(Text, ListsTheBusiestDestinationsFirst) {
  const auto to = [](uint16_t port) {
    return bpf::Where{bpf::kOutgoing, {*IpAddress::parse("192.0.2.1"), port}};
  };
  bpf::Readings readings;
  for (uint16_t port = 1; port <= 12; ++port) {
    readings.counts[{to(port), bpf::kEstablished, 0}] = port;
  }
  const std::string said = text(kSpan, FakeSource(), readings);
  EXPECT_LT(said.find("192.0.2.1:12 "), said.find("192.0.2.1:11 "));
  EXPECT_THAT(said, Not(HasSubstr("192.0.2.1:2 ")));
  EXPECT_THAT(said, HasSubstr("and 2 more"));
}

TEST(Json, HoldsEveryGroupWithItsLatenciesAndEvents) {
  const bpf::Where where{bpf::kOutgoing, *Endpoint::parse("[2001:db8::1]:443")};
  const std::string said = json(kSpan, FakeSource(), readings_of(where));
  EXPECT_THAT(said, HasSubstr(R"("direction":"outgoing","destination":"[2001:db8::1]:443")"));
  EXPECT_THAT(said, HasSubstr(R"("connect":{"count":1,"sum_us":40000,"mean_us":40000)"));
  EXPECT_THAT(said, HasSubstr(R"({"event":"connect_failed","errno":"ECONNREFUSED","count":2})"));
  EXPECT_THAT(said, HasSubstr(R"({"event":"reset_received","state":"syn_sent","count":2})"));
  EXPECT_THAT(said, HasSubstr(R"("not_known":["accept_queue"])"));
}

TEST(Prometheus, CountsALatencyBelowTheBoundsAboveIt) {
  const std::string said = prometheus(readings_of({}));
  constexpr std::string_view kLabels =
      R"(penstock_trace_seconds_bucket{latency="connect",direction="outgoing",end="",le=)";
  EXPECT_THAT(said, HasSubstr(std::string(kLabels) + R"("0.025"} 0)"));
  EXPECT_THAT(said, HasSubstr(std::string(kLabels) + R"("0.05"} 1)"));
  EXPECT_THAT(said, HasSubstr(R"(detail="ECONNREFUSED"} 2)"));
}

TEST(PictureOfATrace, HasACurvePerLatencyThatWasMeasured) {
  EXPECT_THAT(picture(FakeSource(), readings_of({})), HasSubstr("outgoing: connect"));
  EXPECT_THAT(picture(FakeSource(), readings_of({})), Not(HasSubstr("handshake")));
  EXPECT_THAT(picture(FakeSource(), {}), HasSubstr("nothing was measured"));
}

}  // namespace
}  // namespace penstock::trace
