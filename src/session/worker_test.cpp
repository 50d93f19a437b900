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

class Workers : public Session {};

TEST_F(Workers, EndATunnelThatNewRulesRefuse) {
  begin();
  const Origin origin;
  auto [client, far] = tunnel(origin);
  client.say("x");
  until_heard(far, "x");
  worker_->adopt(situation(kNobody));
  EXPECT_EQ(worker_->live(), 0u);
  until_over(client);
  until_over(far);
  EXPECT_TRUE(client.got_reset());
  EXPECT_TRUE(far.got_reset());
  expect_ending("cut", "policy_changed", 200);
  EXPECT_EQ(lines_[0]["bytes_up"], 1);
}

TEST_F(Workers, EndATunnelThatWaitsForItsFirstByteWhenNewRulesRefuseIt) {
  begin();
  const Origin origin;
  auto [client, far] = tunnel(origin);
  worker_->adopt(situation(kNobody));
  EXPECT_EQ(worker_->live(), 0u);
  ASSERT_EQ(lines_.size(), 1u);
  EXPECT_EQ(lines_[0]["error"], "policy_changed");
}

TEST_F(Workers, KeepATunnelThatNewRulesAllowUnderTheRuleThatDoes) {
  begin();
  const Origin origin;
  auto [client, far] = tunnel(origin, "a.localhost");
  client.say("x");
  until_heard(far, "x");
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
  auto [client, far] = tunnel(origin, "a.localhost");
  client.say(client_hello("front.localhost", true));
  until_heard(far, client_hello("front.localhost", true));
  worker_->adopt(situation(kLab));
  until_over(client);
  expect_ending("cut", "policy_changed", 200);
}

TEST_F(Workers, EndATunnelThatCarriesNoTlsWhenNewRulesInsistOnIt) {
  begin();
  const Origin origin;
  auto [client, far] = tunnel(origin);
  client.say("SSH-2.0-x\r\n");
  until_heard(far, "SSH-2.0-x\r\n");
  worker_->adopt(situation(std::string(kLab) + "      tls: required\n"));
  EXPECT_EQ(worker_->live(), 0u);
  expect_ending("cut", "policy_changed", 200);
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
  until([&] { return worker_->log_progress(), !lines_.empty(); });
  worker_->log_progress();
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

TEST_F(Workers, TellEverybodyWithoutASeatButListenToAFewOnly) {
  begin();
  door_.set_limits({.seats = 1});
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
  auto [client, far] = tunnel(origin, "a.localhost");
  client.say("x");
  until_heard(far, "x");
  worker_->refresh_metrics();
  worker_->refresh_metrics();
  EXPECT_EQ(worker_->metrics().bytes_up_copied.value(), 1u);
  EXPECT_EQ(worker_->metrics().dns_failures.value(), 0u);
  EXPECT_EQ(worker_->metrics().pipes_in_use.value(), 0u);
  EXPECT_EQ(worker_->shared_metrics()->accepted.value(), 1u);
}

}  // namespace
}  // namespace penstock::session
