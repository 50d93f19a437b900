#include "session/worker.h"

#include <gmock/gmock.h>

#include "session/connection.h"
#include "session/rig_test.h"

namespace penstock::session {
namespace {

constexpr std::string_view kNobody = R"(policy: {rules: [{name: other, allow: ["a.test:443"]}]})";
constexpr std::string_view kRenamed = R"(
policy:
  rules:
    - {name: renamed, allow: ["*:1-65535", "127.0.0.1:1-65535"], addresses: [127.0.0.0/8]}
)";
const std::string kUnchecked = std::string(kLab) + "      tls: ignored\n";

class Workers : public Session {
 protected:
  // A tunnel that has carried what the client said first.
  std::pair<Peer, Peer> tunnel_that_said(const std::string& bytes, const Origin& origin,
                                         const std::string& host = "127.0.0.1") {
    auto ends = tunnel(origin, host);
    ends.first.say(bytes);
    until_heard(ends.second, bytes);
    return ends;
  }
  // The only tunnel there is does not outlive `policy`.
  void expect_cut_by(std::string_view policy) {
    worker_->adopt(situation(policy));
    EXPECT_EQ(worker_->live(), 0u);
    expect_ending("cut", "policy_changed", 200);
  }
};

TEST_F(Workers, EndATunnelThatNewRulesRefuse) {
  begin();
  const Origin origin;
  auto [client, far] = tunnel_that_said("x", origin);
  expect_cut_by(kNobody);
  until_over(client);
  until_over(far);
  EXPECT_TRUE(client.got_reset());
  EXPECT_TRUE(far.got_reset());
  EXPECT_EQ(lines_[0]["bytes_up"], 1);
}

TEST_F(Workers, EndATunnelThatWaitsForItsFirstByteWhenNewRulesRefuseIt) {
  begin();
  const Origin origin;
  auto [client, far] = tunnel(origin);
  expect_cut_by(kNobody);
}

TEST_F(Workers, KeepATunnelThatNewRulesAllowUnderTheRuleThatDoes) {
  begin();
  const Origin origin;
  auto [client, far] = tunnel_that_said("x", origin, "a.localhost");
  {
    const std::weak_ptr<const Situation> old = worker_->situation();
    worker_->adopt(situation(kRenamed));
    EXPECT_TRUE(old.expired()) << "nobody holds on to the old configuration";
  }
  client.say("y");
  until_heard(far, "y");
  client.end();
  far.end();
  expect_ending("closed", "", 200);
  EXPECT_EQ(lines_[0]["rule"], "renamed");
}

TEST_F(Workers, KeepEveryTunnelWhereReloadSaysSo) {
  begin();
  const Origin origin;
  auto [client, far] = tunnel(origin);
  worker_->adopt(
      situation(R"(policy: {reload: keep, rules: [{name: other, allow: ["a.test:443"]}]})"));
  client.say("x");
  until_heard(far, "x");
  client.end();
  far.end();
  expect_ending("closed", "", 200);
  EXPECT_EQ(lines_[0]["rule"], "lab") << "the old rules live as long as their tunnels";
}

TEST_F(Workers, HoldTheClientHelloAgainstNewRules) {
  begin(std::string(kLab) + "      ech: allow\n");
  const Origin origin;
  const auto ends = tunnel_that_said(client_hello("front.localhost", true), origin, "a.localhost");
  expect_cut_by(kLab);
}

TEST_F(Workers, EndATunnelWhoseClientHelloWasNotReadWhenNewRulesCheckIt) {
  begin(kUnchecked);
  const Origin origin;
  const auto ends = tunnel_that_said(client_hello("a.localhost"), origin, "a.localhost");
  expect_cut_by(kLab);
}

TEST_F(Workers, EndATunnelWhoseClientHelloNobodyCouldReadWhenNewRulesEnforceThatCheck) {
  begin(std::string(kLab) + "  mode: report\n");
  const Origin origin;
  const std::string empty_record("\x16\x03\x01\x00\x00", 5);
  const auto ends = tunnel_that_said(empty_record, origin, "a.localhost");
  expect_cut_by(kLab);
}

TEST_F(Workers, KeepATunnelWhoseClientHelloWasNotReadWhenNewRulesDoNotCheckItEither) {
  begin(kUnchecked);
  const Origin origin;
  const auto ends = tunnel_that_said(client_hello("front.localhost"), origin, "a.localhost");
  worker_->adopt(situation(kUnchecked));
  EXPECT_EQ(worker_->live(), 1u);
}

TEST_F(Workers, EndATunnelThatCarriesNoTlsWhenNewRulesInsistOnIt) {
  begin();
  const Origin origin;
  const auto ends = tunnel_that_said("SSH-2.0-x\r\n", origin);
  expect_cut_by(std::string(kLab) + "      tls: required\n");
}

TEST_F(Workers, HoldNewRulesAgainstATunnelThatWasBeingSetUp) {
  begin();
  const Origin origin;
  Peer client = ask("slow.example:" + origin.port());
  until([&] { return names_.asked(); });
  worker_->adopt(situation(kNobody));
  EXPECT_EQ(worker_->live(), 1u);
  until([&] { return names_.answer(), client.listen(), client.heard().ends_with("\n"); });
  client.end();
  expect_ending("refused", "name_denied", 403);
  EXPECT_EQ(ended(Outcome::kRefused, Code::kNameDenied), 1u);
}

TEST_F(Workers, LetATunnelThatWasBeingSetUpGoOnWhenNewRulesAllowIt) {
  begin();
  const Origin origin;
  Peer client = ask("slow.example:" + origin.port());
  until([&] { return names_.asked(); });
  worker_->adopt(situation(kRenamed));
  until([&] { return names_.answer(), client.listen(), client.heard() == kEstablished; });
  Peer far = until_accepted(origin);
  client.end();
  far.end();
  expect_ending("closed", "", 200);
  EXPECT_EQ(lines_[0]["rule"], "renamed");
}

TEST_F(Workers, UseNewRulesForNewConnections) {
  begin(kNobody);
  worker_->adopt(situation(kLab));
  const Origin origin;
  auto [client, far] = tunnel(origin);
}

TEST_F(Workers, WriteALineForATunnelThatGoesOnAndOneAtItsEnd) {
  // Shorter than a file may say, so that the test need not wait for a second.
  const SituationPtr written = situation(kLab);
  auto changed = std::make_shared<config::Config>(*written->config);
  changed->log.progress = 20ms;
  begin();
  worker_->adopt(std::make_shared<const Situation>(config::Snapshot(changed), surroundings_));
  const Origin origin;
  auto [client, far] = tunnel(origin);
  Peer waiting = connect();  // no tunnel, no progress
  until([&] { return worker_->tend_tunnels(), !lines_.empty(); });
  worker_->tend_tunnels();
  ASSERT_EQ(lines_.size(), 1u) << "once per interval";
  EXPECT_EQ(lines_[0]["outcome"], "open");
  EXPECT_EQ(lines_[0]["id"], "abc-3-1");
  EXPECT_GE(lines_[0]["total_us"], 20'000);
  client.end();
  far.end();
  until([&] { return worker_->live() == 1; });
  ASSERT_EQ(lines_.size(), 2u);
  EXPECT_EQ(lines_[1]["outcome"], "closed");
  EXPECT_EQ(lines_[1]["id"], "abc-3-1");
  EXPECT_EQ(ended(Outcome::kClosed, {}), 1u);
}

TEST_F(Workers, CountSetUpsAndTunnelsFromTheirBeginningToTheirEnd) {
  begin();
  const Origin origin;
  const Sample before = worker_->sample();
  auto [client, far] = tunnel(origin);
  const Sample open = worker_->sample();
  EXPECT_EQ(open.set_ups.arrivals, 1u);
  EXPECT_EQ(open.set_ups.departures, 1u);
  EXPECT_EQ(open.set_ups.stayed_ns, open.set_ups.presence_ns);
  EXPECT_GT(open.set_ups.stayed_ns, 0u);
  EXPECT_EQ(open.tunnels.present(), 1u);
  EXPECT_GT(open.at, before.at);
  EXPECT_GT(open.cpu, before.cpu);
  client.end();
  far.end();
  until_settled();
  const Sample ended = worker_->sample();
  EXPECT_EQ(ended.tunnels.present(), 0u);
  // The beginning of a tunnel is kept in whole microseconds.
  EXPECT_NEAR(static_cast<double>(ended.tunnels.stayed_ns),
              static_cast<double>(ended.tunnels.presence_ns), 1000);
}

TEST_F(Workers, CloseTheLongestSilencesAndNoneThatIsShorterThanAsked) {
  begin();
  const Origin origin;
  std::vector<std::pair<Peer, Peer>> tunnels;
  for (int i = 0; i < 4; ++i) tunnels.push_back(tunnel(origin));
  // In the order of their last byte: the second, the fourth, the first, the third.
  for (const size_t i : {1u, 3u, 0u, 2u}) {
    tunnels[i].first.say("x");
    until_heard(tunnels[i].second, "x");
  }
  EXPECT_TRUE(worker_->longest_silences(1h, 10).empty());
  const auto silences = worker_->longest_silences(0s, 3);
  ASSERT_EQ(silences.size(), 3u);
  EXPECT_LT(silences[0], silences[1]);
  EXPECT_LT(silences[1], silences[2]);
  worker_->close_idle(1h, 4);
  settle_turns();
  EXPECT_EQ(worker_->live(), 4u);
  worker_->close_idle(0s, 2);
  until([&] { return worker_->live() == 2; });
  EXPECT_EQ(ended(Outcome::kCut, Code::kClosedIdle), 2u);
  for (const size_t i : {1u, 3u}) until_over(tunnels[i].first);
  for (const size_t i : {0u, 2u}) {
    tunnels[i].second.say("still here");
    until_heard(tunnels[i].first, "still here");
  }
}

TEST_F(Workers, CloseNoTunnelWhoseNextByteIsHereAlready) {
  begin();
  const Origin origin;
  auto [client, far] = tunnel(origin);
  const Instant idle_since = loop_.now();
  until([&] { return loop_.read_clock() > idle_since + 5ms; });
  // Both in one turn: what epoll reports, and the letter.
  client.say("x");
  loop_.mailbox().post([&] { worker_->close_idle(5ms, 1); });
  until_heard(far, "x");
  settle_turns();
  EXPECT_EQ(worker_->live(), 1u);
}

TEST_F(Workers, CloseTunnelsWhoseClientHasNotSaidItsFirstByte) {
  begin();
  const Origin origin;
  auto [client, far] = tunnel(origin);
  worker_->close_idle(0s, 1);
  until_over(client);
  expect_ending("cut", "closed_idle", 200);
}

TEST_F(Workers, RefuseWhoeverComesWhileMemoryIsShort) {
  begin();
  door_.set_memory_short(true);
  const Origin origin;
  Peer refused = ask("127.0.0.1:" + origin.port());
  until_over(refused);
  EXPECT_THAT(refused.heard(), testing::StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(refused.heard(), testing::HasSubstr("details=\"no_memory\""));
  EXPECT_THAT(refused.heard(), testing::HasSubstr("Retry-After: "));
  door_.set_memory_short(false);
  refused.end();
  until([&] { return ended(Outcome::kRefused, Code::kNoMemory) == 1; });
  const auto ends = tunnel(origin);
}

TEST_F(Workers, TellEverybodyWithoutASeatButListenToAFewOnly) {
  begin();
  door_.set_limits({.seats = 1}, Clock::now());
  std::vector<Peer> clients;
  for (int i = 0; i < 70; ++i) clients.push_back(connect());
  EXPECT_EQ(worker_->live(), 65u) << "the seated one and 64 that may still talk";
  EXPECT_EQ(worker_->metrics().shed.value(), 69u);
  until_over(clients.back());
  EXPECT_THAT(clients.back().heard(), testing::HasSubstr("503 Service Unavailable"));
}

TEST_F(Workers, KeepTheirNumbersWhenTheyAreRefreshedTwice) {
  begin();
  const Origin origin;
  const auto ends = tunnel_that_said("x", origin, "a.localhost");
  worker_->refresh_metrics();
  worker_->refresh_metrics();
  EXPECT_EQ(worker_->metrics().bytes_up_copied.value(), 1u);
  EXPECT_EQ(worker_->metrics().dns_failures.value(), 0u);
  EXPECT_EQ(worker_->metrics().pipes_in_use.value(), 0u);
  EXPECT_EQ(worker_->shared_metrics()->accepted.value(), 1u);
}

}  // namespace
}  // namespace penstock::session
