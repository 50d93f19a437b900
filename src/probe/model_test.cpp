#include "probe/model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace penstock::probe {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr Network kNetwork{.client_proxy = 20ms,
                           .proxy_origin = 35ms,
                           .client_origin = 50ms,
                           .resolve = 8ms,
                           .handshake = Handshake::kTls13,
                           .spares = false};

Network with(Handshake handshake) {
  Network out = kNetwork;
  out.handshake = handshake;
  return out;
}

Duration length(const Timeline& timeline, Phase phase) {
  const Span* const span = timeline.find(phase);
  EXPECT_TRUE(span) << facts(phase).word;
  return span ? span->length() : Duration(-1);
}

TEST(Model, DirectlyIsALookUpAndThreeRoundTrips) {
  EXPECT_EQ(predict_direct(kNetwork).total(), 8ms + 3 * 50ms);
  EXPECT_EQ(predict_direct(with(Handshake::kTls12)).total(), 8ms + 4 * 50ms);
  EXPECT_EQ(predict_direct(with(Handshake::kResumed)).total(), 8ms + 3 * 50ms);
  EXPECT_EQ(predict_direct(with(Handshake::kZeroRtt)).total(), 8ms + 2 * 50ms);
}

TEST(Model, ByConnectAddsTheProxysRoundTripsToTwoOfTheWholeWay) {
  // TCP to the proxy; CONNECT and its 200 with the proxy's look-up and dial; TLS; request.
  EXPECT_EQ(predict_proxied(kNetwork, false).total(), 20ms + (20ms + 8ms + 35ms) + 2 * 55ms);
  EXPECT_EQ(predict_proxied(with(Handshake::kTls12), false).total(),
            20ms + (20ms + 8ms + 35ms) + 3 * 55ms);
  EXPECT_EQ(predict_proxied(with(Handshake::kZeroRtt), false).total(),
            20ms + (20ms + 8ms + 35ms) + 55ms);
}

TEST(Model, OfAnHttpsProxyIsOneRoundTripToItMore) {
  const Timeline secure = predict_proxied(kNetwork, true);
  EXPECT_EQ(secure.total(), predict_proxied(kNetwork, false).total() + 20ms);
  EXPECT_EQ(length(secure, Phase::kProxyTls), 20ms);
  EXPECT_TRUE(secure.way.secure_proxy);
}

TEST(Model, OfSparesLeavesOutTheDial) {
  Network network = kNetwork;
  network.spares = true;
  EXPECT_EQ(predict_proxied(network, false).total(),
            predict_proxied(kNetwork, false).total() - 35ms);
}

TEST(Model, PutsTheProxysShareWithinTheWaitForThe200) {
  const Timeline timeline = predict_proxied(kNetwork, false);
  const Span& wait = *timeline.find(Phase::kConnect);
  const Span& resolve = *timeline.find(Phase::kProxyResolve);
  const Span& dial = *timeline.find(Phase::kProxyDial);
  EXPECT_EQ(resolve.start, wait.start + 10ms);
  EXPECT_EQ(dial.start, resolve.end);
  EXPECT_EQ(dial.end, wait.end - 10ms);
}

TEST(Model, OfEarlyDataSendsTheRequestWithTheClientHello) {
  const Timeline timeline = predict_proxied(with(Handshake::kZeroRtt), false);
  EXPECT_EQ(timeline.find(Phase::kRequest)->start, timeline.find(Phase::kClientHello)->start);
  EXPECT_EQ(timeline.find(Phase::kFirstByte)->end, timeline.find(Phase::kServerHello)->end);
}

TEST(Model, LeavesNoGapBetweenPhases) {
  for (const auto handshake : {Handshake::kTls13, Handshake::kTls12}) {
    for (const Timeline& timeline :
         {predict_direct(with(handshake)), predict_proxied(with(handshake), true)}) {
      Duration at{};
      for (const Span& span : timeline.spans) {
        if (facts(span.phase).inside) continue;
        EXPECT_EQ(span.start, at) << facts(span.phase).word;
        at = span.end;
      }
    }
  }
}

TEST(Fit, WithoutAMeasurementTakesWhatIsGiven) {
  const Network network = fit({.client_proxy = 20ms,
                               .proxy_origin = 35ms,
                               .client_origin = {},
                               .resolve = {},
                               .handshake = {},
                               .secure_proxy = false,
                               .spares = true},
                              {})
                              .network;
  EXPECT_EQ(network.client_origin, 55ms) << "the sum, unless it is known better";
  EXPECT_EQ(network.handshake, Handshake::kTls13);
  EXPECT_TRUE(network.spares);
}

TEST(Fit, FindsTheNetworkThatAModelWasMadeOf) {
  const Timeline measured = predict_proxied(with(Handshake::kTls12), false);
  const Fitted fitted = fit({}, {&measured});
  EXPECT_EQ(fitted.network.client_proxy, 20ms);
  EXPECT_EQ(fitted.network.proxy_origin, 35ms);
  EXPECT_EQ(fitted.network.resolve, 8ms);
  EXPECT_EQ(fitted.network.handshake, Handshake::kTls12);
  EXPECT_THAT(fitted.sources, HasSubstr("proxy-origin 35.00 ms (Server-Timing)"));
}

TEST(Fit, TakesTheProxysShareFromTheWaitIfTheProxySaysNothing) {
  Timeline measured = predict_proxied(kNetwork, false);
  std::erase_if(measured.spans, [](const Span& span) { return facts(span.phase).inside; });
  const Fitted fitted = fit({}, {&measured});
  EXPECT_EQ(fitted.network.proxy_origin, 43ms) << "which holds the look-up as well";
  const Fitted with_resolve = fit({.client_proxy = {},
                                   .proxy_origin = {},
                                   .client_origin = {},
                                   .resolve = 8ms,
                                   .handshake = {},
                                   .secure_proxy = false,
                                   .spares = false},
                                  {&measured});
  EXPECT_EQ(with_resolve.network.proxy_origin, 35ms);
  EXPECT_THAT(with_resolve.sources, HasSubstr("resolve 8.00 ms (given)"));
}

TEST(Fit, TakesTheFastestOfSeveralRuns) {
  Network slow = kNetwork;
  slow.client_proxy = 90ms;
  const Timeline slower = predict_proxied(slow, false), faster = predict_proxied(kNetwork, false);
  EXPECT_EQ(fit({}, {&slower, &faster}).network.client_proxy, 20ms);
}

}  // namespace
}  // namespace penstock::probe
