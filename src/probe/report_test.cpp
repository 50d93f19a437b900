#include "probe/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "probe/model.h"

namespace penstock::probe {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr Network kNetwork{.client_proxy = 20ms,
                           .proxy_origin = 35ms,
                           .client_origin = 50ms,
                           .resolve = 8ms,
                           .handshake = Handshake::kTls13,
                           .spares = false};

// A run whose every round trip to the proxy took so long.
Measured run_of(Duration client_proxy) {
  Network network = kNetwork;
  network.client_proxy = client_proxy;
  Measured run;
  run.timeline = predict_proxied(network, false);
  run.status = 200;
  return run;
}

Found found_of(std::vector<Measured> runs) {
  Found out;
  out.options.url = parse_url("https://origin.example/").value();
  out.options.proxy = http::parse_proxy_url("http://me:secret@127.0.0.1:3128").value();
  out.options.proxy_from = "--proxy";
  out.runs = std::move(runs);
  return out;
}

Measured with_chain(Measured run, std::string issuer, std::string fingerprint) {
  TlsFacts tls{.version = "TLSv1.3",
               .cipher = "TLS_AES_128_GCM_SHA256",
               .group = "x25519",
               .alpn = "http/1.1",
               .retried = false,
               .trust = {}};
  tls.trust.chain = {
      {"CN=origin.example", std::move(issuer), "2027-01-31", std::move(fingerprint)}};
  explain_verdict(tls.trust, "origin.example");
  run.tls = std::move(tls);
  return run;
}

TEST(Spread, IsOfValuesThatWereMeasured) {
  std::vector<Measured> runs;
  for (int i = 1; i <= 20; ++i) runs.push_back(run_of(i * 1ms));
  const Spread spread = spread_of(runs, Phase::kProxyTcp);
  EXPECT_EQ(spread.count, 20);
  EXPECT_EQ(spread.min, 1ms);
  EXPECT_EQ(spread.median, 10ms);
  EXPECT_EQ(spread.p95, 19ms);
}

TEST(Spread, LeavesOutWhatDidNotEnd) {
  Measured failed = run_of(1ms);
  failed.timeline.spans.back().failed = true;
  failed.timeline.failure = Failure{Phase::kDownload, "timed out.", ""};
  const std::vector<Measured> runs = {run_of(2ms), failed};
  EXPECT_EQ(spread_of(runs, Phase::kDownload).count, 1);
  EXPECT_EQ(spread_of(runs, Phase::kProxyTcp).count, 2);
  EXPECT_EQ(spread_of_total(runs).count, 1);
}

TEST(Typical, IsTheRunWithTheMedianTotal) {
  const std::vector<Measured> runs = {run_of(90ms), run_of(20ms), run_of(1ms)};
  EXPECT_EQ(typical(runs), &runs[1]);
  EXPECT_EQ(typical({}), nullptr);
}

TEST(Chains, ThatAreTheSameMeanThatNobodyIsBetween) {
  const Measured one = with_chain(run_of(1ms), "CN=Public", "aa");
  EXPECT_THAT(compare_chains(one, one), StartsWith("The same certificate"));
}

TEST(Chains, OfAnotherIssuerMeanAMiddlebox) {
  const Measured direct = with_chain(run_of(1ms), "CN=Public", "aa");
  EXPECT_THAT(compare_chains(with_chain(run_of(1ms), "CN=Inspector", "bb"), direct),
              AllOf(HasSubstr("through the proxy \"CN=Inspector\""), HasSubstr("middlebox")));
  EXPECT_THAT(compare_chains(with_chain(run_of(1ms), "CN=Public", "bb"), direct),
              AllOf(HasSubstr("may differ"), Not(HasSubstr("middlebox"))));
  EXPECT_EQ(compare_chains(run_of(1ms), direct), "");
}

TEST(Verdicts, SayWhatToDo) {
  for (const long verdict :
       {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT,
        X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE,
        X509_V_ERR_CERT_HAS_EXPIRED, X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH,
        X509_V_ERR_CERT_REVOKED, X509_V_ERR_PATH_LENGTH_EXCEEDED}) {
    Trust trust;
    trust.verdict = verdict;
    explain_verdict(trust, "origin.example");
    EXPECT_THAT(trust.word, StartsWith("X509_V_ERR")) << verdict;
    EXPECT_THAT(trust.meaning + trust.advice, Not(HasSubstr("{"))) << verdict;
    EXPECT_FALSE(trust.meaning.empty() || trust.advice.empty()) << verdict;
  }
}

TEST(Verdicts, NameTheIssuerThatTheChainEndsIn) {
  Trust trust;
  trust.verdict = X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN;
  trust.chain = {{"CN=a", "CN=Inspector {0}", "", ""}};
  explain_verdict(trust, "a.example");
  EXPECT_THAT(trust.meaning, HasSubstr("The chain ends in \"CN=Inspector {0}\""));
}

TEST(Text, ShowsWhatRanAndNoPassword) {
  const std::string shown = text(found_of({run_of(20ms)}), {});
  EXPECT_THAT(shown, StartsWith("GET https://origin.example/ through http://127.0.0.1:3128 "
                                "(--proxy)\n"));
  EXPECT_THAT(shown, Not(HasSubstr("secret")));
  EXPECT_THAT(shown, Not(HasSubstr("\x1b"))) << "no colour unless it is asked for";
  EXPECT_THAT(shown, HasSubstr("  wait for the 200           20.00     63.00"));
  EXPECT_THAT(shown, HasSubstr("## encrypted from end to end"));
}

TEST(Text, HasColoursAndBlocksOnATerminal) {
  const std::string shown =
      text(found_of({run_of(20ms)}), {.colour = true, .blocks = true, .columns = 120});
  EXPECT_THAT(shown, AllOf(HasSubstr("\x1b[33m█"), HasSubstr("\x1b[32m░"), HasSubstr("\x1b[0m")));
}

TEST(Text, FitsANarrowTerminal) {
  Found found = found_of({with_chain(run_of(20ms), "CN=x", "aa")});
  for (const int columns : {80, 100, 140}) {
    const std::string shown = text(found, {.colour = false, .blocks = false, .columns = columns});
    size_t start = 0;
    while (start < shown.size()) {
      const size_t end = shown.find('\n', start);
      EXPECT_LE(end - start, static_cast<size_t>(columns) + 4) << shown.substr(start, end - start);
      start = end + 1;
    }
  }
}

TEST(Text, OfSeveralRunsShowsTheirSpread) {
  const std::string shown = text(found_of({run_of(10ms), run_of(20ms), run_of(40ms)}), {});
  EXPECT_THAT(shown, HasSubstr("  TCP to the proxy           10.00     20.00     40.00"));
}

TEST(Text, SaysWhereARequestFailedAndWhatToDo) {
  Measured run = run_of(20ms);
  run.timeline.spans.resize(4);
  run.timeline.spans.back().failed = true;
  run.timeline.failure = Failure{Phase::kConnect, "refused with 403.", "Ask somebody."};
  const std::string shown = text(found_of({run}), {});
  EXPECT_THAT(shown, HasSubstr("failed at \"wait for the 200\": refused with 403.\n"
                               "  Ask somebody.\n"));
  EXPECT_THAT(shown, HasSubstr("xx not finished"));
}

TEST(Text, OfAComparisonWithTheModelAgreesWithItself) {
  Found found = found_of({run_of(20ms)});
  found.options.compare = Compare::kModel;
  const std::string shown = text(found, {});
  EXPECT_THAT(shown, HasSubstr("  total                       193.00      193.00       +0.00"));
  EXPECT_THAT(shown, HasSubstr("client-proxy 20.00 ms (TCP to the proxy)"));
}

TEST(Csv, HasARowForEachPhaseAndItsBoundaries) {
  Found found = found_of({run_of(20ms)});
  found.runs[0].timeline.spans[2].note = "origin.example:443";
  found.runs[0].timeline.spans[0].note = "a \"quoted\", note";
  const std::string rows = csv(found);
  EXPECT_THAT(rows, StartsWith("run,phase,start_ms,end_ms,duration_ms,from,to,visible_to_proxy,"
                               "encrypted,note\n"
                               "1,proxy_lookup,0.000,0.000,0.000,client,resolver,false,false,"
                               "\"a \"\"quoted\"\", note\"\n"));
  EXPECT_THAT(rows, HasSubstr("1,connect_sent,20.000,20.000,0.000,client,proxy,true,false,"
                              "origin.example:443\n"));
  EXPECT_THAT(rows, HasSubstr("1,tunnel_established,83.000,83.000,0.000,proxy,client,true,false,"));
  EXPECT_THAT(rows, HasSubstr("1,encrypted,138.000,138.000,0.000,client,origin,false,true,"));
  EXPECT_THAT(rows, HasSubstr("1,total,0.000,193.000,193.000,client,origin,,,\n"));
}

TEST(Json, IsOneObject) {
  Found found = found_of({with_chain(run_of(20ms), "CN=Public", "aa")});
  const std::string object = json(found);
  EXPECT_THAT(object, StartsWith("{\"url\":\"https://origin.example/\",\"proxy\":"
                                 "\"http://127.0.0.1:3128\",\"proxy_from\":\"--proxy\","
                                 "\"good\":true,\"summary\":{"));
  EXPECT_THAT(object, HasSubstr("\"total\":{\"count\":1,\"min_ms\":193,"));
  EXPECT_THAT(object, HasSubstr("\"sha256\":\"aa\""));
}

TEST(Svg, DrawsEachWayOnOneScale) {
  Found found = found_of({run_of(20ms)});
  found.options.compare = Compare::kModel;
  const std::string picture = svg(found);
  EXPECT_THAT(picture, AllOf(StartsWith("<svg "), HasSubstr("class=\"visible second\""),
                             HasSubstr("through the proxy 193 ms; below it model 193 ms"),
                             HasSubstr("</svg>")));
}

TEST(Svg, OfNothingMeasuredIsStillAPicture) {
  EXPECT_THAT(svg(found_of({Measured{}})), HasSubstr("</svg>"));
}

}  // namespace
}  // namespace penstock::probe
