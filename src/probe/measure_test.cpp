#include "probe/measure.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "probe/rig_test.h"

namespace penstock::probe {
namespace {

using testing::HasSubstr;

constexpr std::string_view kAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

void serve_hello(Peer& peer) {
  if (!peer.secure()) return;
  peer.hear_head();
  peer.say(kAnswer);
}

Options through(const Server& proxy) {
  Options out = options_for(Endpoint::parse("127.0.0.1:9").value());
  out.url = parse_url("https://origin.example/").value();
  out.proxy = http::parse_proxy_url("http://" + proxy.at().text()).value();
  return out;
}

std::vector<std::string_view> words_of(const Measured& run) {
  std::vector<std::string_view> out;
  for (const Span& span : run.timeline.spans) out.push_back(facts(span.phase).word);
  return out;
}

// No time is lost between phases, and none is counted twice.
void expect_no_gaps(const Timeline& timeline) {
  Duration at{};
  for (const Span& span : timeline.spans) {
    EXPECT_LE(span.start, span.end) << facts(span.phase).word;
    if (facts(span.phase).inside) continue;
    EXPECT_EQ(span.start, at) << facts(span.phase).word;
    at = span.end;
  }
}

TEST(Measure, DirectlyPassesEveryBoundary) {
  const Server origin(serve_hello);
  const Measured run = measure_with(options_for(origin.at()));
  ASSERT_TRUE(run.good()) << run.timeline.failure->what;
  EXPECT_THAT(words_of(run),
              testing::ElementsAre("origin_lookup", "origin_tcp", "client_hello", "server_hello",
                                   "handshake", "encrypted", "request", "first_byte", "download"));
  expect_no_gaps(run.timeline);
  EXPECT_EQ(run.peer, origin.at());
  EXPECT_EQ(run.status, 200);
  EXPECT_EQ(run.bytes, 5u);
  EXPECT_TRUE(run.timeline.way.tls13);
  EXPECT_EQ(run.tls->version, "TLSv1.3");
  EXPECT_FALSE(run.tls->trust.good());
  EXPECT_EQ(run.tls->trust.chain.at(0).subject, "CN=rig");
  EXPECT_TRUE(run.timeline.find(Phase::kServerHello)->rtt_us);
}

TEST(Measure, ThroughAProxyPassesTheTunnelsBoundariesAsWell) {
  std::string asked;
  const Server proxy([&](Peer& peer) {
    asked = peer.hear_head();
    peer.say(
        "HTTP/1.1 200 Connection Established\r\nServer-Timing: resolve;dur=2, dial;dur=3\r\n\r\n");
    serve_hello(peer);
  });
  Options options = through(proxy);
  options.proxy->credentials = "me:secret";
  const Measured run = measure_with(options);
  ASSERT_TRUE(run.good()) << run.timeline.failure->what;
  EXPECT_THAT(
      words_of(run),
      testing::ElementsAre("proxy_lookup", "proxy_tcp", "connect_sent", "connect", "proxy_resolve",
                           "proxy_dial", "tunnel_established", "client_hello", "server_hello",
                           "handshake", "encrypted", "request", "first_byte", "download"));
  expect_no_gaps(run.timeline);
  EXPECT_EQ(run.timeline.find(Phase::kConnectSent)->note, "origin.example:443");
  EXPECT_EQ(run.timeline.find(Phase::kProxyDial)->length(), 3ms);
  EXPECT_THAT(asked, HasSubstr("CONNECT origin.example:443 HTTP/1.1\r\nHost: origin.example:443"));
  EXPECT_THAT(asked, HasSubstr("Proxy-Authorization: Basic bWU6c2VjcmV0\r\n"));
}

TEST(Measure, OfTls12WaitsForTheServersFinished) {
  const Server origin([](Peer& peer) {
    if (!peer.secure(TLS1_2_VERSION)) return;
    peer.hear_head();
    peer.say(kAnswer);
  });
  const Measured run = measure_with(options_for(origin.at()));
  ASSERT_TRUE(run.good()) << run.timeline.failure->what;
  EXPECT_FALSE(run.timeline.way.tls13);
  EXPECT_EQ(run.tls->version, "TLSv1.2");
}

TEST(Measure, EndsAtACertificateThatIsNotTrusted) {
  bool asked = true;
  const Server origin([&](Peer& peer) {
    peer.secure();
    asked = !peer.hear_head().empty();
  });
  Measured run;
  {
    Options options = options_for(origin.at());
    options.insecure = false;
    run = measure_with(options);
  }
  ASSERT_FALSE(run.good());
  EXPECT_EQ(run.timeline.failure->phase, Phase::kHandshake);
  EXPECT_THAT(run.timeline.failure->what, HasSubstr("X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT"));
  EXPECT_EQ(run.timeline.find(Phase::kRequest), nullptr);
  EXPECT_EQ(run.tls->trust.chain.size(), 1u);
}

TEST(Measure, ReadsWhyAProxyRefuses) {
  const Server proxy([](Peer& peer) {
    peer.hear_head();
    peer.say(
        "HTTP/1.1 502 Bad Gateway\r\nProxy-Status: p; error=connection_refused\r\n"
        "Content-Type: text/plain\r\nContent-Length: 9\r\n\r\nnobody in");
    peer.wait_for_the_end();
  });
  const Measured run = measure_with(through(proxy));
  ASSERT_FALSE(run.good());
  EXPECT_EQ(run.timeline.failure->phase, Phase::kConnect);
  EXPECT_EQ(run.timeline.failure->what,
            "refused with 502: p reports connection_refused; it says \"nobody in\".");
  EXPECT_EQ(run.refusal->status, 502);
  EXPECT_TRUE(run.timeline.spans.back().failed);
}

struct Broken {
  const char* name;
  std::function<void(Peer&)> serve;
  Phase phase;
  const char* words;
};

class MeasureBroken : public testing::TestWithParam<Broken> {};

TEST_P(MeasureBroken, SaysAtWhichBoundaryAndKeepsWhatCameBefore) {
  const Server proxy(GetParam().serve);
  const Measured run = measure_with(through(proxy));
  ASSERT_FALSE(run.good());
  EXPECT_EQ(facts(run.timeline.failure->phase).word, facts(GetParam().phase).word);
  EXPECT_THAT(run.timeline.failure->what, HasSubstr(GetParam().words));
  EXPECT_FALSE(run.timeline.failure->advice.empty());
  EXPECT_EQ(run.timeline.spans.back().phase, GetParam().phase);
  EXPECT_TRUE(run.timeline.spans.back().failed);
  EXPECT_TRUE(run.timeline.find(Phase::kProxyTcp));
}

void open(Peer& peer) {
  peer.hear_head();
  peer.say("HTTP/1.1 200 OK\r\n\r\n");
}

INSTANTIATE_TEST_SUITE_P(
    Ends, MeasureBroken,
    testing::Values(Broken{"silently", [](Peer& peer) { peer.hear_head(); }, Phase::kConnect,
                           "closed"},
                    Broken{"with_a_banner",
                           [](Peer& peer) {
                             peer.say("SSH-2.0-x\r\n");
                             peer.wait_for_the_end();
                           },
                           Phase::kConnect, "not HTTP"},
                    Broken{"speaking_first",
                           [](Peer& peer) {
                             peer.hear_head();
                             peer.say("HTTP/1.1 200 OK\r\n\r\n220 mail\r\n");
                             peer.wait_for_the_end();
                           },
                           Phase::kConnect, "nobody asked for"},
                    Broken{"by_reset_at_the_hello",
                           [](Peer& peer) {
                             open(peer);
                             peer.hear_a_byte();
                             peer.reset();
                           },
                           Phase::kServerHello, "reset by the other end"},
                    Broken{"with_no_tls",
                           [](Peer& peer) {
                             open(peer);
                             peer.hear_a_byte();
                             peer.say("HTTP/1.1 400 Bad Request\r\n\r\n");
                             peer.wait_for_the_end();
                           },
                           Phase::kServerHello, "not TLS"},
                    Broken{"within_the_body",
                           [](Peer& peer) {
                             open(peer);
                             peer.secure();
                             peer.hear_head();
                             peer.say("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello");
                           },
                           Phase::kDownload, "ended before"},
                    Broken{"with_no_answer",
                           [](Peer& peer) {
                             open(peer);
                             peer.secure();
                             peer.hear_head();
                           },
                           Phase::kFirstByte, "closed"}),
    [](const auto& one) { return std::string(one.param.name); });

TEST(Measure, SaysThatNobodyListens) {
  // A port that was just free, and that nobody else gets within this test.
  const sys::Fd taken = [] {
    auto fd = sys::open_listener(Endpoint::parse("127.0.0.1:0").value(), {});
    return std::move(*fd);
  }();
  const Endpoint at = sys::local_endpoint(taken.get()).value();
  ::shutdown(taken.get(), SHUT_RDWR);
  const Measured run = measure_with(options_for(at));
  ASSERT_FALSE(run.good());
  EXPECT_EQ(run.timeline.failure->phase, Phase::kOriginTcp);
  EXPECT_THAT(run.timeline.failure->what, HasSubstr("connection refused"));
}

TEST(Measure, EndsAPhaseWhosePatienceIsOver) {
  const Server proxy([](Peer& peer) {
    peer.hear_head();
    peer.wait_for_the_end();
  });
  Options options = through(proxy);
  options.patience = 100ms;
  const Measured run = measure_with(options);
  ASSERT_FALSE(run.good());
  EXPECT_EQ(run.timeline.failure->phase, Phase::kConnect);
  EXPECT_THAT(run.timeline.failure->what,
              HasSubstr("timed out: no answer to the CONNECT within 100ms"));
  EXPECT_GE(run.timeline.spans.back().length(), 100ms);
}

}  // namespace
}  // namespace penstock::probe
