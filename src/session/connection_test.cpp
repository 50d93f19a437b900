#include "session/connection.h"

#include <gmock/gmock.h>

#include "session/rig_test.h"

namespace penstock::session {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

class Connections : public Session {
 protected:
  // What a client is told that gets no tunnel; it leaves when it has heard it.
  std::string refusal(Peer client) {
    until_over(client);
    client.close();
    return client.take();
  }
};

// 896 measured in a release build: serve(), with the Connection and both flows, and carry().
constexpr int64_t kIdleFrameBytes = 912;

TEST_F(Connections, EndAsClosedWhenBothSidesClose) {
  begin();
  const Origin origin;
  auto [client, far] = tunnel(origin);
  client.say("ping");
  until_heard(far, "ping");
  far.say("pong!");
  until_heard(client, "pong!");
  client.end();
  until_over(far);
  EXPECT_TRUE(far.got_end());
  far.say("after the end");
  far.end();
  until_over(client);
  EXPECT_TRUE(client.got_end());
  EXPECT_EQ(client.heard(), "after the end");
  expect_ending("closed", "", 200);
  const auto& line = lines_[0];
  EXPECT_EQ(line["id"], "abc-3-1");
  EXPECT_EQ(line["worker"], 3);
  EXPECT_EQ(line["protocol"], "http/1.1");
  EXPECT_EQ(line["method"], "CONNECT");
  EXPECT_EQ(line["authority"], origin.at().text());
  EXPECT_EQ(line["route"], origin.at().text());
  EXPECT_EQ(line["rule"], "lab");
  EXPECT_EQ(line["verdict"], "allowed");
  EXPECT_EQ(line["would_deny"], false);
  EXPECT_EQ(line["side"], "");
  EXPECT_EQ(line["bytes_up"], 4);
  EXPECT_EQ(line["bytes_down"], 18);
  EXPECT_THAT(line["client"].get<std::string>(), StartsWith("127.0.0.1:"));
  EXPECT_FALSE(line.contains("sni"));
  EXPECT_FALSE(line.contains("resolve_us")) << "an address needs no look-up";
  for (const char* step : {"head_us", "queue_us", "dial_us", "total_us"}) {
    EXPECT_TRUE(line.contains(step)) << step;
  }
  EXPECT_TRUE(line["tcp"].contains("rtt_us"));
}

TEST_F(Connections, CountWhatTheyDid) {
  begin();
  const Origin origin;
  {
    auto [client, far] = tunnel(origin, "a.localhost");
    EXPECT_EQ(worker_->metrics().tunnels.present(), 1u);
    client.say("0123456789");
    until_heard(far, "0123456789");
    worker_->refresh_metrics();
    EXPECT_EQ(worker_->metrics().bytes_up_copied.value(), 10u);
    EXPECT_EQ(ports_.counts(loop_.now())[IpAddress{}].in_use, 1u);
  }
  until_settled();
  worker_->refresh_metrics();
  const Metrics& metrics = worker_->metrics();
  EXPECT_EQ(metrics.accepted.value(), 1u);
  EXPECT_EQ(metrics.tunnels.present(), 0u);
  EXPECT_EQ(metrics.bytes_up_copied.value(), 10u) << "counted once";
  EXPECT_EQ(metrics.bytes_down_copied.value(), 0u);
  for (const auto* histogram : {&metrics.head, &metrics.queue, &metrics.resolve, &metrics.dial}) {
    EXPECT_EQ(histogram->counts().count, 1u);
  }
  EXPECT_EQ(metrics.hello.counts().count, 0u) << "there was no ClientHello";
  uint64_t connections = 0;
  for (const auto& row : metrics.connections) {
    for (const auto& count : row) connections += count.value();
  }
  EXPECT_EQ(connections, 1u);
}

TEST_F(Connections, DeliverWhatWasSentBehindTheRequestFirst) {
  begin();
  const Origin origin;
  Peer client = ask(origin.at().text(), "early");
  Peer far = until_accepted(origin);
  until_heard(client, kEstablished);
  client.say(" and late");
  until_heard(far, "early and late");
}

TEST_F(Connections, DeliverALargeEarlyBurstWhole) {
  begin();
  const Origin origin;
  std::string burst(300'000, 'x');
  for (size_t i = 0; i < burst.size(); i += 1000) burst[i] = static_cast<char>('a' + i / 1000 % 26);
  Peer client = connect();
  std::string out = connect_request(origin.at().text()) + burst;
  std::optional<Peer> far;
  until([&] {
    if (!out.empty()) {
      const ssize_t n = ::send(client.fd(), out.data(), out.size(), MSG_NOSIGNAL);
      if (n > 0) out.erase(0, static_cast<size_t>(n));
    }
    if (!far) far = origin.accept();
    if (far) far->listen();
    return far && far->heard().size() >= burst.size();
  });
  EXPECT_TRUE(far && far->heard() == burst);
}

TEST_F(Connections, DeliverWhatWasSentWhileTheNameWasLookedUp) {
  begin();
  const Origin origin;
  Peer client = ask("late.example:" + origin.port(), "one ");
  until([&] { return names_.asked(); });
  client.say("two ");
  client.end();
  settle_turns();
  std::optional<Peer> far;
  until([&] { return names_.answer(), (far = origin.accept()).has_value(); });
  until_over(*far);
  EXPECT_EQ(far->heard(), "one two ");
  EXPECT_TRUE(far->got_end()) << "and then its end";
  far->end();
  expect_ending("closed", "", 200);
  EXPECT_TRUE(lines_[0].contains("resolve_us"));
}

TEST_F(Connections, AreRefusedForABadHead) {
  begin();
  Peer client = connect();
  client.say("GET http://user:secret@a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n");
  EXPECT_THAT(refusal(std::move(client)), StartsWith("HTTP/1.1 400 "));
  expect_ending("refused", "userinfo", 400);
  EXPECT_EQ(lines_[0]["method"], "GET");
  EXPECT_EQ(lines_[0]["verdict"], "none");
  EXPECT_THAT(lines_[0].dump(), testing::Not(HasSubstr("secret")));
}

TEST_F(Connections, AreRefusedWhenTheHeadIsTooSlow) {
  begin(kLab, "timeouts: {head: 20ms}");
  Peer client = connect();
  client.say("CONNECT 127.0.0.1:1 HT");
  EXPECT_THAT(refusal(std::move(client)), StartsWith("HTTP/1.1 408 "));
  expect_ending("refused", "head_timeout", 408);
}

TEST_F(Connections, AreRefusedByNameWithoutALookUp) {
  begin();
  EXPECT_THAT(refusal(ask("not-allowed.test:443")),
              AllOf(StartsWith("HTTP/1.1 403 "), HasSubstr("error=http_request_denied")));
  expect_ending("refused", "name_denied", 403);
  EXPECT_EQ(lines_[0]["verdict"], "denied");
  EXPECT_EQ(lines_[0]["rule"], "");
  EXPECT_FALSE(names_.asked());
}

TEST_F(Connections, AreRefusedByAddress) {
  begin(R"(policy: {rules: [{name: web, allow: ["*.localhost:443"]}]})");
  EXPECT_THAT(refusal(ask("inside.localhost:443")), HasSubstr("error=destination_ip_prohibited"));
  expect_ending("refused", "address_denied", 403);
  EXPECT_EQ(lines_[0]["verdict"], "denied");
  EXPECT_EQ(lines_[0]["rule"], "web");
  EXPECT_EQ(lines_[0]["route"], "");
}

TEST_F(Connections, AreRefusedWhenTheyLeadBackToTheProxy) {
  const Origin itself;
  surroundings_.listeners = {itself.at()};
  begin();
  EXPECT_THAT(refusal(ask(itself.at().text())), StartsWith("HTTP/1.1 502 "));
  expect_ending("refused", "loop", 502);
}

TEST_F(Connections, AreRefusedWithoutASeat) {
  begin();
  door_.set_limits({.seats = 1}, Clock::now());
  Peer seated = connect();
  EXPECT_THAT(refusal(connect()),
              AllOf(StartsWith("HTTP/1.1 503 "), HasSubstr("\r\nRetry-After: 1\r\n")));
  until([&] { return worker_->live() == 1; });
  ASSERT_EQ(lines_.size(), 1u);
  EXPECT_EQ(lines_[0]["error"], "no_seat");
  EXPECT_EQ(worker_->metrics().shed.value(), 1u);
}

TEST_F(Connections, AreRefusedWithoutAPermitBeforeTheNameIsLookedUp) {
  begin();
  door_.set_limits({.seats = 10, .pending = 1}, Clock::now());
  Peer first = ask("slow.example:443");
  until([&] { return names_.asked(); });
  names_.answer();  // its questions are gone; what it does next does not matter
  Peer second = ask("other.example:443");
  until_over(second);
  EXPECT_THAT(second.heard(), StartsWith("HTTP/1.1 503 "));
  second.close();
  until([&] { return !lines_.empty(); });
  EXPECT_EQ(lines_[0]["error"], "no_permit");
}

TEST_F(Connections, AreRefusedWhenTheirClientHasItsShare) {
  begin(kLab, "limits: {tunnels_per_client: 1}");
  const Origin origin;
  auto [first, far] = tunnel(origin);
  Peer second = ask(origin.at().text());
  until_over(second);
  EXPECT_THAT(second.heard(), StartsWith("HTTP/1.1 429 "));
  second.close();
  until([&] { return lines_.size() == 1; });
  EXPECT_EQ(lines_[0]["error"], "client_busy");
  EXPECT_EQ(lines_[0]["quota"], "limits.tunnels_per_client");
  first.close();
  far.close();
  until([&] { return worker_->live() == 0; });
  auto [third, other] = tunnel(origin);  // the share was given back
}

TEST_F(Connections, FailWhenNobodyListens) {
  begin();
  const std::string deserted = Origin().at().text();
  EXPECT_THAT(refusal(ask(deserted)),
              AllOf(StartsWith("HTTP/1.1 502 "), HasSubstr("error=connection_refused")));
  expect_ending("failed", "refused", 502);
  EXPECT_EQ(lines_[0]["errno"], ECONNREFUSED);
  EXPECT_EQ(lines_[0]["side"], "origin");
  EXPECT_EQ(lines_[0]["verdict"], "allowed");
}

TEST_F(Connections, FailWhenTheNameServerIsSilent) {
  begin(kLab, "timeouts: {resolve: 30ms}");
  EXPECT_THAT(refusal(ask("silent.example:443")), HasSubstr("error=dns_timeout"));
  expect_ending("failed", "dns_timeout", 504);
  EXPECT_GE(lines_[0]["resolve_us"], 30'000);
}

TEST_F(Connections, FailWhenTheOriginIsSilent) {
  begin(kLab, "timeouts: {dial: 30ms, attempt: 10ms}");
  const SilentOrigin silent;
  EXPECT_THAT(refusal(ask(silent.authority())), HasSubstr("error=connection_timeout"));
  expect_ending("failed", "dial_timeout", 504);
  EXPECT_GE(lines_[0]["dial_us"], 30'000);
}

TEST_F(Connections, AreCutWhenIdle) {
  begin(kLab, "timeouts: {idle: 20ms, half_closed: 10ms}");
  const Origin origin;
  auto [client, far] = tunnel(origin);
  client.say("x");
  until_over(client);
  until_over(far);
  EXPECT_TRUE(client.got_reset());
  EXPECT_TRUE(far.got_reset());
  expect_ending("cut", "idle", 200);
}

TEST_F(Connections, PassAResetOn) {
  begin();
  const Origin origin;
  auto [client, far] = tunnel(origin);
  client.say("x");
  until_heard(far, "x");
  far.reset();
  until_over(client);
  EXPECT_TRUE(client.got_reset());
  expect_ending("cut", "origin_reset", 200);
}

TEST_F(Connections, SayHowLongResolvingAndDiallingTookWhenAsked) {
  begin(kLab, "server_timing: true");
  const Origin origin;
  Peer client = ask(origin.at().text());
  until([&] { return client.listen(), client.heard().ends_with("\r\n\r\n"); });
  EXPECT_THAT(client.heard(), HasSubstr("\r\nServer-Timing: resolve;dur=0.000, dial;dur="));
}

// The goal is 1 KiB of user memory for a tunnel that nobody uses; its frames are most of it
// (docs/decisions/0010-frames-of-their-own.md).
TEST_F(Connections, LeaveAPortInTimeWaitOnlyWhereTheirFinWentFirst) {
  begin();
  const Origin origin;
  const auto resting = [&] { return ports_.counts(loop_.now())[IpAddress{}].resting; };
  {
    auto [client, far] = tunnel(origin);
    far.end();
    until_over(client);
    client.close();
    until_settled(1);
    EXPECT_EQ(resting(), 0u) << "the origin ended first";
  }
  {
    auto [client, far] = tunnel(origin);
    client.reset();
    until_settled(2);
    EXPECT_EQ(resting(), 0u) << "a reset";
  }
  {
    auto [client, far] = tunnel(origin);
    client.end();
    until_over(far);
    far.close();
    until_settled(3);
    EXPECT_EQ(resting(), 1u) << "the client ended first, and so did we";
  }
  EXPECT_EQ(ports_.counts(loop_.now())[IpAddress{}].in_use, 0u);
}

TEST_F(Connections, TakeASpareWhereTheirOwnRouteLeadsToOne) {
  const Origin origin;
  const std::string target = "127.0.0.1:" + origin.port();
  begin(kLab, "dial: {spares: {destinations: [\"" + target + "\"], each: 1, age: 60s}}");
  const auto spares = [&] { return worker_->spares().counts(); };
  auto [first, far_of_first] = tunnel(origin);
  until([&] { return spares().ready == 1; });
  Peer waiting = until_accepted(origin);
  Peer client = ask(target);
  until_heard(client, kEstablished);
  client.say("hello");
  until_heard(waiting, "hello");
  EXPECT_EQ(spares().used, 1u);
  until([&] { return spares().ready == 1; });  // in place of the one that was taken
  client.reset();
  until([&] { return lines_.size() == 1; });
  EXPECT_EQ(lines_[0]["spare"], true);
  // A new policy that refuses the destination finds nothing to hand out.
  worker_->adopt(situation(R"(policy: {rules: [{name: none, deny: ["*:1-65535"]}]})"));
  EXPECT_EQ(spares().ready, 0u);
  Peer refused = ask(target);
  until([&] { return refused.listen(), !refused.heard().empty(); });
  EXPECT_TRUE(refused.heard().starts_with("HTTP/1.1 403 ")) << refused.heard();
  first.close();
  refused.close();
  until([&] { return worker_->live() == 0; });
  EXPECT_FALSE(lines_.back().contains("spare"));
}

TEST_F(Connections, HoldLittleMemoryWhileTheirTunnelIsIdle) {
  begin();
  const int64_t before = loop::live_frame_bytes();
  const Origin origin;
  auto [client, far] = tunnel(origin);
  client.say("x");
  until_heard(far, "x");
  settle_turns();
  const int64_t idle = loop::live_frame_bytes() - before;
  RecordProperty("frame_bytes", std::to_string(idle));
  RecordProperty("sizeof_connection", std::to_string(sizeof(Connection)));
  RecordProperty("sizeof_story", std::to_string(sizeof(Story)));
  EXPECT_GT(idle, static_cast<int64_t>(sizeof(Connection)));
  // Without optimisation every temporary has a place of its own in the frame.
#ifdef __OPTIMIZE__
  EXPECT_LE(idle, kIdleFrameBytes);
#else
  EXPECT_LE(idle, 2 * kIdleFrameBytes);
#endif
}

}  // namespace
}  // namespace penstock::session
