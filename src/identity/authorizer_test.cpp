// What an external authorizer is told, and what is made of its answers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "identity/checker.h"

namespace penstock::identity {
namespace {

using http::AuthScheme;
using testing::ElementsAre;
using testing::HasSubstr;

ProviderSpec spec() {
  ProviderSpec out;
  out.kind = Provider::kAuthorizer;
  out.authorizer = {"https://auth.example/check", {}};
  return out;
}

Claim ann() {
  return {.scheme = AuthScheme::kBasic,
          .secret = "ann:sesame",
          .client = IpAddress::from_v4(10, 0, 0, 7),
          .listener = "10.0.0.1:3128",
          .method = "CONNECT",
          .authority = "example.com:443"};
}

std::vector<std::string> fields_of(const ProviderSpec& provider, const Claim& claim) {
  std::vector<std::string> out;
  const auto checker = open_authorizer(provider);
  for (const Secret& field : checker->remote()->request(claim).fields)
    out.emplace_back(field.view());
  return out;
}

Checked judged(const fetch::Outcome& outcome, const ProviderSpec& provider = spec(),
               const Claim& claim = ann()) {
  return open_authorizer(provider)->remote()->judge(claim, outcome);
}
Checked judged(int status, std::string body = "",
               std::vector<std::pair<std::string, std::string>> fields = {}) {
  return judged(
      fetch::Reply{.status = status, .body = std::move(body), .fields = std::move(fields)});
}

TEST(AnAuthorizer, IsToldWhoAsksForWhat) {
  EXPECT_THAT(
      fields_of(spec(), ann()),
      ElementsAre("Accept: application/json", "X-Forwarded-For: 10.0.0.7",
                  "X-Forwarded-Method: CONNECT", "X-Forwarded-Host: example.com:443",
                  "Penstock-Listener: 10.0.0.1:3128", "Authorization: Basic YW5uOnNlc2FtZQ=="));
  ProviderSpec narrow = spec();
  narrow.tells = {Told::kClient};
  Claim token = ann();
  token.scheme = AuthScheme::kBearer;
  token.secret = "abc.def";
  EXPECT_THAT(fields_of(narrow, token),
              ElementsAre("Accept: application/json", "X-Forwarded-For: 10.0.0.7",
                          "Authorization: Bearer abc.def"));
  token.scheme.reset();
  EXPECT_THAT(fields_of(narrow, token),
              ElementsAre("Accept: application/json", "X-Forwarded-For: 10.0.0.7"));
}

TEST(AnAuthorizer, AnswersForWhatItWasTold) {
  ProviderSpec narrow = spec();
  narrow.tells = {Told::kClient};
  Claim elsewhere = ann();
  elsewhere.authority = "example.net:443";
  const auto all = open_authorizer(spec());
  EXPECT_EQ(all->basis(ann()), all->basis(ann()));
  EXPECT_NE(all->basis(ann()), all->basis(elsewhere));
  EXPECT_EQ(open_authorizer(narrow)->basis(ann()), open_authorizer(narrow)->basis(elsewhere));
  ProviderSpec other = spec();
  other.authorizer.value = "https://other.example/check";
  EXPECT_NE(all->basis(ann()), open_authorizer(other)->basis(ann()));
}

TEST(AnAuthorizer, IsAskedAboutThoseItIsFor) {
  ProviderSpec provider = spec();
  provider.credentials = {Asked::kBearer, Asked::kNone};
  const auto checker = open_authorizer(provider);
  EXPECT_TRUE(checker->takes(AuthScheme::kBearer));
  EXPECT_TRUE(checker->takes(std::nullopt));
  for (const AuthScheme other : {AuthScheme::kBasic, AuthScheme::kNegotiate, AuthScheme::kOther}) {
    EXPECT_FALSE(checker->takes(other));
  }
  EXPECT_FALSE(open_authorizer(spec())->takes(std::nullopt));
}

TEST(AnAuthorizer, IsBelievedForSoLong) {
  const std::string body = R"({"identity": "ann", "groups": ["staff"]})";
  const Checked plain = judged(200, body);
  ASSERT_TRUE(plain.who);
  EXPECT_EQ(**plain.who, (Identity{"ann", {"staff"}}));
  EXPECT_EQ(plain.good_for, std::chrono::minutes(5));
  EXPECT_EQ(judged(200, body, {{"cache-control", "max-age=60"}}).good_for, std::chrono::minutes(1));
  EXPECT_EQ(judged(200, body, {{"cache-control", "max-age=600"}}).good_for,
            std::chrono::minutes(5));
  EXPECT_EQ(judged(200, body, {{"cache-control", "no-store"}}).good_for, Duration::zero());
}

TEST(AnAuthorizer, SaysNoOrFails) {
  EXPECT_EQ(judged(401).who.error(), Code::kCredentialsRejected);
  EXPECT_EQ(judged(407).who.error(), Code::kCredentialsRejected);
  EXPECT_EQ(judged(403).who.error(), Code::kAuthorizerDenied);
  Claim nameless = ann();
  nameless.scheme.reset();
  EXPECT_EQ(
      judged(fetch::Reply{.status = 401, .body = "", .fields = {}}, spec(), nameless).who.error(),
      Code::kCredentialsMissing);
  for (const int status : {100, 201, 204, 302, 400, 404, 429, 500, 503}) {
    EXPECT_EQ(judged(status, R"({"identity": "ann"})").who.error(), Code::kAuthorizerFailed);
  }
  EXPECT_THAT(judged(302).why, HasSubstr("it answers 302, a redirect, which is not followed"));
  EXPECT_THAT(judged(200, "hello").why, HasSubstr("its answer is no JSON object"));
  EXPECT_EQ(judged(std::unexpected("timed out")).why, "the authorizer failed: timed out");
  ProviderSpec many = spec();
  many.groups.assign(kGroupsMax + 1, "a");
  const fetch::Reply good{.status = 200, .body = R"({"identity": "ann"})", .fields = {}};
  EXPECT_EQ(judged(good, many).who.error(), Code::kAuthorizerFailed);
}

}  // namespace
}  // namespace penstock::identity
