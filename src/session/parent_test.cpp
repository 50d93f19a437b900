#include "session/parent.h"

#include <gmock/gmock.h>

#include "session/rig_test.h"

namespace penstock::session {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// One end of the wire is the client, the other is the parent.
class Parents : public Session {
 protected:
  std::string through(const Origin& parent, const std::string& scheme = "http") const {
    return "policy: {rules: [{name: out, allow: ['*:443', '192.0.2.1:443'], via: ['" + scheme +
           "://me:pw@" + parent.at().text() + "']}]}";
  }
  // A client whose request has arrived at the parent.
  std::pair<Peer, Peer> asked(const Origin& parent, std::string_view behind = "") {
    begin(through(parent));
    Peer client = ask("a.test:443", behind);
    Peer far = until_accepted(parent);
    until([&] { return far.listen(), far.heard().ends_with("\r\n\r\n"); });
    return {std::move(client), std::move(far)};
  }
};

TEST_F(Parents, AreAskedInOneStrictRequest) {
  const Origin parent;
  auto [client, far] = asked(parent);
  EXPECT_EQ(far.take(),
            "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n"
            "Proxy-Authorization: Basic bWU6cHc=\r\n\r\n");
}

TEST_F(Parents, CarryTheTunnelBehindTheirAnswerHoweverItIsCut) {
  const Origin parent;
  auto [client, far] = asked(parent, "early");
  far.take();
  for (const char byte :
       std::string("HTTP/1.1 103 Wait\r\n\r\nHTTP/1.0 200 Fine\r\nA: b\r\n\r\n")) {
    EXPECT_EQ(client.heard(), "");
    far.say({&byte, 1});
    settle_turns();
  }
  until_heard(client, kEstablished);
  until_heard(far, "early");
  far.say("late");
  until_heard(client, "late");
  client.end();
  until_over(far);
  far.end();
  until_over(client);
  expect_ending("closed", "", 200);
  EXPECT_EQ(lines_[0]["parent"], parent.at().text());
  EXPECT_EQ(lines_[0]["authority"], "a.test:443");
}

TEST_F(Parents, ThatSpeakSocksAreAskedStepByStepHoweverTheirAnswersAreCut) {
  using namespace std::string_literals;
  const Origin parent;
  begin(through(parent, "socks5h"));
  Peer client = ask("a.test:443", "early");
  Peer far = until_accepted(parent);
  const auto answer = [&](const std::string& asked, const std::string& words) {
    until_heard(far, asked);
    for (const char byte : words) {
      EXPECT_EQ(client.heard(), "");
      far.say({&byte, 1});
      settle_turns();
    }
  };
  answer("\5\2\0\2"s, "\5\2"s);
  answer("\1\2me\2pw"s, "\1\0"s);
  answer("\5\1\0\3\6a.test\1\xbb"s, "\5\0\0\3\1x\0\0"s);
  until_heard(client, kEstablished);
  until_heard(far, "early");
  client.end();
  until_over(far);
  far.end();
  until_over(client);
  expect_ending("closed", "", 200);
}

TEST_F(Parents, ThatSpeakSocksMaySpeakFirst) {
  using namespace std::string_literals;
  const Origin parent;
  begin(through(parent, "socks5h"));
  Peer client = ask("a.test:443");
  Peer far = until_accepted(parent);
  until_heard(far, "\5\2\0\2"s);
  far.say("\5\0"s);
  until_heard(far, "\5\1\0\3\6a.test\1\xbb"s);
  far.say("\5\0\0\1\0\0\0\0\0\0hello"s);
  until_heard(client, std::string(kEstablished) + "hello");
}

TEST_F(Parents, ThatSpeakSocksAreLeftWhenTheClientLeaves) {
  const Origin parent;
  begin(through(parent, "socks5h"));
  Peer client = ask("a.test:443");
  Peer far = until_accepted(parent);
  client.reset();
  until_over(far);
  expect_ending("left", "client_gone", 0);
}

TEST_F(Parents, MaySpeakFirst) {
  const Origin parent;
  auto [client, far] = asked(parent);
  far.say("HTTP/1.1 200 OK\r\n\r\nhello");
  until_heard(client, std::string(kEstablished) + "hello");
}

TEST_F(Parents, ThatBreakOffAreNamed) {
  const Origin parent;
  auto [client, far] = asked(parent);
  far.say("HTTP/1.1 200 O");
  far.close();
  until_over(client);
  EXPECT_THAT(client.heard(), StartsWith("HTTP/1.1 502 "));
  client.close();
  expect_ending("failed", "parent_protocol", 502);
  EXPECT_EQ(lines_[0]["side"], "parent");
}

TEST_F(Parents, HaveTheirWordsWrittenAnew) {
  const Origin parent;
  auto [client, far] = asked(parent);
  far.say(
      "HTTP/1.1 403 No\r\nProxy-Status: far;error=dns_error;details=\"a\\\"b\";odd=1\r\n"
      "Set-Cookie: a=b\r\n\r\n");
  until_over(client);
  EXPECT_THAT(client.heard(),
              HasSubstr("Proxy-Status: \"far\"; error=dns_error; details=\"a\\\"b\", penstock; "
                        "error=http_request_denied; details=\"parent_denied\"\r\n"));
  EXPECT_THAT(client.heard(), testing::Not(HasSubstr("Cookie")));
  client.close();
  expect_ending("failed", "parent_denied", 403);
}

// The nearest to the origin come first, and what they say is worth most.
TEST_F(Parents, HaveTheFirstEightOfThoseBehindThemPassedOn) {
  const Origin parent;
  auto [client, far] = asked(parent);
  std::string answer = "HTTP/1.1 403 No\r\nProxy-Status: p1; details=\"a, b, c\"";
  for (int number = 2; number <= 10; ++number) answer += ", p" + std::to_string(number);
  far.say(answer + "\r\n\r\n");
  until_over(client);
  EXPECT_THAT(client.heard(), HasSubstr("Proxy-Status: \"p1\"; details=\"a, b, c\", \"p2\","));
  EXPECT_THAT(client.heard(), HasSubstr("\"p7\", \"p8\", penstock; error="));
  client.close();
  expect_ending("failed", "parent_denied", 403);
}

TEST_F(Parents, AreLeftWhenTheClientLeaves) {
  const Origin parent;
  auto [client, far] = asked(parent);
  client.reset();
  until_over(far);
  expect_ending("left", "client_gone", 0);
}

TEST_F(Parents, AreNotAskedForAnAddressThatTheRuleDoesNotOpen) {
  const Origin parent;
  begin(through(parent));
  Peer client = ask("10.0.0.5:443");
  until_over(client);
  client.close();
  expect_ending("refused", "address_denied", 403);
  EXPECT_FALSE(parent.accept());
}

}  // namespace
}  // namespace penstock::session
