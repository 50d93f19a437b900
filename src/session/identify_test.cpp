// Who asks: challenges, credentials and what becomes of them, on a worker.
#include <crypt.h>
#include <gmock/gmock.h>

#include <thread>

#include "identity/rig_test.h"
#include "session/rig_test.h"

namespace penstock::session {
namespace {

using identity::TestFile;
using testing::HasSubstr;
using testing::Not;

std::string bcrypt(const char* password) {
  char setting[CRYPT_GENSALT_OUTPUT_SIZE];
  crypt_data room{};
  EXPECT_NE(crypt_gensalt_rn("$2b$", 4, nullptr, 0, setting, sizeof(setting)), nullptr);
  return crypt_r(password, setting, &room);
}

// Clients need an identity; Ann's password is sesame.
class Identify : public Session {
 protected:
  void begin_with(std::string_view more = "") {
    const std::string providers = "identity: [{basic: " + users_.path() + ", groups: [staff]}]\n";
    begin(kPolicy, providers + std::string(more));
    clerk_ = std::jthread([this] { desk_.serve(); });
  }
  void TearDown() override {
    desk_.close();
    clerk_ = {};
    Session::TearDown();
  }

  static std::string request(std::string_view authority, std::string_view credentials) {
    const std::string target(authority);
    return "CONNECT " + target + " HTTP/1.1\r\nHost: " + target +
           (credentials.empty() ? "" : "\r\nProxy-Authorization: " + std::string(credentials)) +
           "\r\n\r\n";
  }
  std::string until_reply(Peer& peer) {
    until([&] { return peer.listen(), peer.heard().contains("\n\r\n") || peer.over(); });
    settle_turns();
    peer.listen();
    return peer.take();
  }
  uint64_t logins(identity::Provider provider, LoginResult result) const {
    return worker_->metrics()
        .logins[static_cast<size_t>(provider)][static_cast<size_t>(result)]
        .value();
  }

  static constexpr std::string_view kPolicy = R"(
policy:
  rules:
    - {name: ann, allow: ["127.0.0.1:1-65535"], identities: [ann], groups: [staff]}
)";
  static constexpr std::string_view kAnn = "Basic YW5uOnNlc2FtZQ==";
  static constexpr std::string_view kWrong = "Basic YW5uOnNlc2FtZXM=";

  TestFile users_{"ann:" + bcrypt("sesame") + "\nbob:" + bcrypt("open") + "\n"};
  std::jthread clerk_;
};

TEST_F(Identify, WhoSaysNothingIsAskedAndMayAnswerByTheSameConnection) {
  begin_with();
  Origin origin;
  Peer client = connect();
  client.say(request("127.0.0.1:" + origin.port(), ""));
  const std::string asked = until_reply(client);
  EXPECT_THAT(asked, testing::StartsWith("HTTP/1.1 407 "));
  EXPECT_THAT(asked,
              HasSubstr("Proxy-Authenticate: Basic realm=\"penstock\", charset=\"UTF-8\"\r\n"));
  EXPECT_THAT(asked, HasSubstr("error=http_request_denied; details=\"credentials_missing\""));
  EXPECT_THAT(asked, Not(HasSubstr("Connection: close")));
  EXPECT_FALSE(client.over());
  client.say(request("127.0.0.1:" + origin.port(), kAnn));
  until_heard(client, kEstablished);
  Peer far = until_accepted(origin);
  client.close();
  far.close();
  until_settled(2);
  EXPECT_EQ(lines_[0]["error"], "credentials_missing");
  EXPECT_EQ(lines_[0]["status"], 407);
  EXPECT_EQ(lines_[1]["identity"], "ann");
  EXPECT_EQ(lines_[1]["groups"], nlohmann::json({"staff"}));
  EXPECT_EQ(lines_[1]["status"], 200);
  EXPECT_TRUE(lines_[1].contains("identify_us"));
  EXPECT_EQ(worker_->metrics().accepted.value(), 1u);
  EXPECT_EQ(logins(identity::Provider::kBasic, LoginResult::kAccepted), 1u);
}

TEST_F(Identify, WhoSentMoreThanARequestIsRefusedAndClosed) {
  begin_with();
  Peer client = connect();
  client.say(request("127.0.0.1:9", "") + request("127.0.0.1:9", kAnn));
  until_over(client);
  EXPECT_THAT(client.heard(), HasSubstr("\r\nConnection: close\r\n"));
  EXPECT_EQ(client.heard().find("HTTP/1.1", 1), std::string::npos) << "one answer";
  client.close();
  expect_ending("refused", "credentials_missing", 407);
}

TEST_F(Identify, WhoTakesTheChallengeForAnAnswerLeavesNothingBehind) {
  begin_with();
  Peer client = connect();
  client.say(request("127.0.0.1:9", ""));
  until_reply(client);
  EXPECT_EQ(worker_->idle_clients().size(), 1u);
  client.close();
  until([&] { return worker_->idle_clients().size() == 0; });
  expect_ending("refused", "credentials_missing", 407);
}

TEST_F(Identify, WhoAsksForTheConnectionToCloseGetsThat) {
  begin_with();
  Peer client = connect();
  client.say("CONNECT 127.0.0.1:9 HTTP/1.1\r\nHost: 127.0.0.1:9\r\nConnection: close\r\n\r\n");
  until_over(client);
  EXPECT_THAT(client.heard(), HasSubstr("\r\nConnection: close\r\n"));
}

TEST_F(Identify, IsAskedAFewTimesOnly) {
  begin_with();
  Peer client = connect();
  for (int i = 0; i < 4; ++i) {
    client.say(request("127.0.0.1:9", kWrong));
    const std::string reply = until_reply(client);
    EXPECT_THAT(reply, HasSubstr("details=\"credentials_rejected\""));
    EXPECT_THAT(reply, Not(HasSubstr("Connection: close"))) << i;
  }
  client.say(request("127.0.0.1:9", kWrong));
  until_over(client);
  EXPECT_THAT(client.heard(), HasSubstr("Connection: close"));
  client.close();
  until_settled(5);
  EXPECT_EQ(lines_[4]["error"], "credentials_rejected");
  EXPECT_EQ(logins(identity::Provider::kBasic, LoginResult::kRejected), 5u);
}

TEST_F(Identify, WhoSaysNothingToAChallengeHasNoLongerThanForARequest) {
  begin_with("timeouts: {head: 50ms, keep_alive: 1h}");
  Peer client = connect();
  client.say(request("127.0.0.1:9", ""));
  until_over(client);
  expect_ending("refused", "credentials_missing", 407);
}

TEST_F(Identify, WhoseRequestIsForwardedIsAskedAndAnswersLikeAnybody) {
  begin_with();
  const Origin origin;
  const std::string authority = "127.0.0.1:" + origin.port();
  const auto get = [&](std::string_view fields) {
    return "GET http://" + authority + "/ HTTP/1.1\r\nHost: " + authority + "\r\n" +
           std::string(fields) + "\r\n";
  };
  Peer client = connect();
  client.say(get(""));
  EXPECT_THAT(until_reply(client), HasSubstr("details=\"credentials_missing\""));
  client.say(get("Proxy-Authorization: " + std::string(kAnn) + "\r\n"));
  Peer far = until_accepted(origin);
  until([&] { return far.listen(), far.heard().contains("\r\n\r\n"); });
  EXPECT_THAT(far.heard(), Not(HasSubstr("uthorization")));
  far.say("HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_THAT(until_reply(client), HasSubstr("HTTP/1.1 204 "));
  client.say(get(""));
  EXPECT_THAT(until_reply(client), HasSubstr(" 407 ")) << "each request says it anew";
  EXPECT_FALSE(client.over());
  client.close();
  until_settled(3);
  EXPECT_EQ(lines_[1]["identity"], "ann");
  EXPECT_EQ(lines_[1]["method"], "GET");
  EXPECT_EQ(lines_[2]["identity"], "");
}

TEST_F(Identify, AChallengeToHeadHasNoBodyAndOneToABodyEndsTheConnection) {
  begin_with();
  Peer client = connect();
  client.say("HEAD http://127.0.0.1:9/ HTTP/1.1\r\nHost: 127.0.0.1:9\r\n\r\n");
  EXPECT_THAT(until_reply(client), testing::EndsWith("\r\n\r\n"));
  client.say(
      "POST http://127.0.0.1:9/ HTTP/1.1\r\nHost: 127.0.0.1:9\r\nContent-Length: 5\r\n"
      "Expect: 100-continue\r\n\r\n");
  until_over(client);
  EXPECT_THAT(client.heard(), HasSubstr("HTTP/1.1 407 "));
  EXPECT_THAT(client.heard(), HasSubstr("\r\nConnection: close\r\n"));
}

TEST_F(Identify, RightCredentialsAreKnownNextTimeAndWrongOnesAreNot) {
  begin_with();
  Origin origin;
  for (int i = 0; i < 3; ++i) {
    Peer client = connect();
    client.say(request("127.0.0.1:" + origin.port(), kAnn));
    until_heard(client, kEstablished);
  }
  EXPECT_EQ(logins(identity::Provider::kBasic, LoginResult::kAccepted), 1u);
  EXPECT_EQ(logins(identity::Provider::kBasic, LoginResult::kCached), 2u);
}

TEST_F(Identify, TooManyWrongOnesMustWaitAndThoseWhoAreKnownNeedNot) {
  begin_with("limits: {failed_logins: 2/h}");
  Origin origin;
  const auto ask_as = [&](std::string_view credentials) {
    Peer client = connect();
    client.say(request("127.0.0.1:" + origin.port(), credentials));
    return until_reply(client);
  };
  EXPECT_THAT(ask_as(kAnn), HasSubstr(" 200 "));
  EXPECT_THAT(ask_as(kWrong), HasSubstr(" 407 "));
  EXPECT_THAT(ask_as(kWrong), HasSubstr(" 407 "));
  const std::string limited = ask_as(kWrong);
  EXPECT_THAT(limited, HasSubstr(" 429 "));
  EXPECT_THAT(limited, HasSubstr("details=\"login_rate\""));
  EXPECT_THAT(limited, HasSubstr("\r\nRetry-After: 1800\r\n"));
  EXPECT_THAT(ask_as("Basic Ym9iOm9wZW4="), HasSubstr(" 429 ")) << "right, but not known";
  EXPECT_THAT(ask_as(kAnn), HasSubstr(" 200 "));
  EXPECT_EQ(logins(identity::Provider::kBasic, LoginResult::kLimited), 2u);
}

TEST_F(Identify, AnotherSchemeOrAMalformedFieldIsNamed) {
  begin_with();
  const auto ask_with = [&](std::string_view field) {
    Peer client = connect();
    client.say(request("127.0.0.1:9", field));
    return until_reply(client);
  };
  EXPECT_THAT(ask_with("NTLM TlRM"), HasSubstr("details=\"scheme_unsupported\""));
  EXPECT_THAT(ask_with("Bearer abc"), HasSubstr("details=\"scheme_unsupported\""));
  EXPECT_THAT(ask_with("Basic !"), HasSubstr("details=\"bad_credentials\""));
  EXPECT_THAT(ask_with("Basic YTpi\r\nProxy-Authorization: Basic YTpi"),
              HasSubstr("details=\"duplicate_credentials\""));
}

TEST_F(Identify, WhoIsKnownByAddressNeedsNoCredentials) {
  begin(kPolicy, "identity: [{clients: [127.0.0.0/8], identity: ann, groups: [staff]}]\n");
  Origin origin;
  Peer client = ask("127.0.0.1:" + origin.port());
  until_heard(client, kEstablished);
  EXPECT_EQ(logins(identity::Provider::kClients, LoginResult::kAccepted), 1u);
}

TEST_F(Identify, ATunnelIsJudgedAnewByTheIdentityThatItBeganWith) {
  begin_with();
  Origin origin;
  Peer client = connect();
  client.say(request("127.0.0.1:" + origin.port(), kAnn));
  until_heard(client, kEstablished);
  Peer far = until_accepted(origin);
  const std::string providers = "identity: [{basic: " + users_.path() + "}]\n";
  worker_->adopt(situation(kPolicy, providers));
  settle_turns();
  client.listen();
  EXPECT_FALSE(client.over()) << "Ann is still allowed, and in staff";
  worker_->adopt(situation(R"(
policy:
  rules:
    - {name: bob, allow: ["127.0.0.1:1-65535"], identities: [bob]}
)",
                           providers));
  until_over(client);
  until_settled();
  EXPECT_EQ(lines_[0]["error"], "policy_changed");
  EXPECT_EQ(lines_[0]["identity"], "ann");
}

TEST_F(Identify, WhereNobodyChecksThereIsAnAnswerInTime) {
  begin(kPolicy, "identity: [{basic: " + users_.path() + "}]\ntimeouts: {identify: 50ms}\n");
  Peer client = connect();
  client.say(request("127.0.0.1:9", kAnn));
  const std::string reply = until_reply(client);
  EXPECT_THAT(reply, HasSubstr(" 503 "));
  EXPECT_THAT(reply, HasSubstr("details=\"identity_busy\""));
}

}  // namespace
}  // namespace penstock::session
