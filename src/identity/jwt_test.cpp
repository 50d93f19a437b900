#include "identity/jwt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "identity/rig_test.h"

namespace penstock::identity {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using Verdict = std::expected<JwtHolder, JwtFault>;

constexpr int64_t kNow = 1'700'000'000;

const SigningKey& rsa() {
  static const SigningKey key = SigningKey::rsa("rsa");
  return key;
}
const SigningKey& ec() {
  static const SigningKey key = SigningKey::ec("ec");
  return key;
}
const SigningKey& ed25519() {
  static const SigningKey key = SigningKey::ed25519("ed");
  return key;
}

const KeySet& all_keys() {
  static const auto keys = KeySet::parse(set_of({rsa().jwk(), ec().jwk(), ed25519().jwk()}));
  return keys.value();
}

JwtRules rules() {
  return {"https://issuer.example", {"penstock", "other"}, "sub", "groups", 30s};
}

json claims() {
  return {{"iss", "https://issuer.example"}, {"aud", "penstock"}, {"sub", "ann"},
          {"groups", {"staff", "ops"}},      {"exp", kNow + 600}, {"iat", kNow - 5}};
}
json claims(const char* name, const json& value) {
  json out = claims();
  out[name] = value;
  return out;
}
json without(const char* name) {
  json out = claims();
  out.erase(name);
  return out;
}

Verdict check(const std::string& token, const JwtRules& by = rules(), int64_t now = kNow) {
  return check_token(token, all_keys(), by, now);
}
Verdict check(const json& what, const JwtRules& by = rules(), int64_t now = kNow) {
  return check(ec().token(what), by, now);
}

TEST(AToken, SaysWhoAsks) {
  for (const SigningKey* key : {&rsa(), &ec(), &ed25519()}) {
    const auto holder = check(key->token(claims()));
    ASSERT_TRUE(holder) << sentence(holder.error());
    EXPECT_EQ(holder->identity, (Identity{"ann", {"staff", "ops"}}));
    EXPECT_EQ(holder->expires, kNow + 630);
  }
}

TEST(AToken, ChoosesNoAlgorithm) {
  const auto with = [](const SigningKey& key, const char* alg) {
    return check(key.token({{"alg", alg}, {"kid", key.id()}}, claims())).error();
  };
  EXPECT_EQ(with(rsa(), "none"), JwtFault::kAlgorithm);
  EXPECT_EQ(with(rsa(), "HS256"), JwtFault::kAlgorithm);
  EXPECT_EQ(with(rsa(), "RS512"), JwtFault::kAlgorithm);
  EXPECT_EQ(with(rsa(), "PS256"), JwtFault::kAlgorithm);
  EXPECT_EQ(with(rsa(), "rs256"), JwtFault::kAlgorithm);
  EXPECT_EQ(with(rsa(), "ES256"), JwtFault::kAlgorithm);
  EXPECT_EQ(with(ec(), "EdDSA"), JwtFault::kAlgorithm);
  // CVE-2015-9235: no signature at all, and alg none.
  const std::string unsigned_text =
      base64url(R"({"alg":"none","kid":"rsa"})") + "." + base64url(claims().dump()) + ".";
  EXPECT_EQ(check(unsigned_text).error(), JwtFault::kAlgorithm);
  // CVE-2016-5431 and its many kin: the public key's text as the secret of an HMAC.
  const std::string text =
      base64url(R"({"alg":"HS256","kid":"rsa"})") + "." + base64url(claims().dump());
  EXPECT_EQ(check(text + "." + base64url(std::string(32, 'h'))).error(), JwtFault::kAlgorithm);
}

TEST(AToken, IsSignedWithAKeyOfTheSetAndNoOther) {
  const auto stranger = SigningKey::ec("ec");  // a known name, another key
  EXPECT_EQ(check(stranger.token(claims())).error(), JwtFault::kSignature);
  EXPECT_EQ(check(SigningKey::ec("new").token(claims())).error(), JwtFault::kUnknownKey);
  // CVE-2018-0114: a key that comes with the token.
  json header{{"alg", "ES256"}, {"kid", "ec"}, {"jwk", stranger.jwk()}};
  EXPECT_EQ(check(stranger.token(header, claims())).error(), JwtFault::kSignature);
  header = {{"alg", "ES256"}, {"kid", "ec"}, {"jku", "https://evil.example/keys"}};
  EXPECT_EQ(check(stranger.token(header, claims())).error(), JwtFault::kSignature);
  EXPECT_EQ(check(ec().token({{"alg", "ES256"}}, claims())).error(), JwtFault::kUnknownKey)
      << "three keys, and no kid";
}

TEST(AToken, MustBeOneThatWeUnderstand) {
  const auto with = [](json more) {
    more["alg"] = "ES256";
    more["kid"] = "ec";
    return check(ec().token(more, claims()));
  };
  EXPECT_TRUE(with({}));
  EXPECT_TRUE(with({{"typ", "jwt"}}));
  EXPECT_TRUE(with({{"typ", "at+jwt"}}));
  EXPECT_TRUE(with({{"typ", "application/at+JWT"}}));
  for (const json& more : std::vector<json>{{{"typ", "logout+jwt"}},
                                            {{"typ", "dpop+jwt"}},
                                            {{"typ", 1}},
                                            {{"crit", {"exp"}}},
                                            {{"b64", false}},
                                            {{"cty", "JWT"}},
                                            {{"zip", "DEF"}}}) {
    EXPECT_EQ(with(more).error(), JwtFault::kHeader) << more;
  }
  EXPECT_EQ(check(ec().token({{"kid", "ec"}}, claims())).error(), JwtFault::kHeader);
  EXPECT_EQ(check(ec().token({{"alg", "ES256"}, {"kid", 1}}, claims())).error(), JwtFault::kHeader);
  EXPECT_EQ(check(ec().token({{"alg", {"ES256"}}, {"kid", "ec"}}, claims())).error(),
            JwtFault::kHeader);
}

TEST(AToken, ThatIsNotWellFormedIsRefused) {
  const std::string good = ec().token(claims());
  for (const std::string& token :
       {std::string(), std::string(".."), std::string("a.b.c"), good + ".", "." + good,
        good.substr(0, good.rfind('.')), good + "=", good + "A", " " + good, good + "\n",
        std::string(20'000, 'a') + good, base64url("[]") + good.substr(good.find('.')),
        base64url(std::string(3000, '[')) + good.substr(good.find('.'))}) {
    const auto verdict = check(token);
    ASSERT_FALSE(verdict) << token.substr(0, 60);
  }
  EXPECT_EQ(
      check(ec().signed_text(R"({"alg":"ES256","kid":"ec","kid":"ec"})", claims().dump())).error(),
      JwtFault::kMalformed);
  const std::string header = R"({"alg":"ES256","kid":"ec"})";
  EXPECT_EQ(check(ec().signed_text(header, R"({"sub":"ann","sub":"root"})")).error(),
            JwtFault::kMalformed);
  EXPECT_EQ(check(ec().signed_text(header, "\"ann\"")).error(), JwtFault::kMalformed);
  EXPECT_EQ(check(ec().signed_text(header, "")).error(), JwtFault::kMalformed);
}

TEST(AToken, OfAnotherIssuerOrForSomebodyElseIsRefused) {
  EXPECT_EQ(check(claims("iss", "https://issuer.example/")).error(), JwtFault::kIssuer);
  EXPECT_EQ(check(claims("iss", {"https://issuer.example"})).error(), JwtFault::kIssuer);
  EXPECT_EQ(check(without("iss")).error(), JwtFault::kIssuer);
  EXPECT_EQ(check(without("aud")).error(), JwtFault::kAudience);
  EXPECT_EQ(check(claims("aud", "mail")).error(), JwtFault::kAudience);
  EXPECT_EQ(check(claims("aud", json::array())).error(), JwtFault::kAudience);
  EXPECT_EQ(check(claims("aud", {"penstock", 1})).error(), JwtFault::kAudience);
  EXPECT_TRUE(check(claims("aud", {"mail", "other"})));
}

TEST(AToken, HasItsTime) {
  EXPECT_TRUE(check(claims("exp", kNow - 29)));
  EXPECT_EQ(check(claims("exp", kNow - 30)).error(), JwtFault::kExpired);
  EXPECT_EQ(check(without("exp")).error(), JwtFault::kExpired);
  for (const json& never : {json("2100-01-01"), json(nullptr), json(-1), json(1e300), json(true)}) {
    EXPECT_EQ(check(claims("exp", never)).error(), JwtFault::kExpired) << never;
  }
  EXPECT_TRUE(check(claims("nbf", kNow + 30)));
  EXPECT_TRUE(check(claims("exp", kNow + 0.5)));
  EXPECT_EQ(check(claims("nbf", kNow + 31)).error(), JwtFault::kEarly);
  EXPECT_EQ(check(claims("nbf", "now")).error(), JwtFault::kEarly);
}

TEST(AToken, NamesItsHolderByTheClaimsThatAreConfigured) {
  JwtRules by = rules();
  by.identity_claim = "preferred_username";
  by.groups_claim = "/realm_access/roles";
  json what = claims("preferred_username", "ann@corp");
  what["realm_access"] = {{"roles", {"admin"}}};
  EXPECT_EQ(check(what, by)->identity, (Identity{"ann@corp", {"admin"}}));
  by.groups_claim = "https://corp.example/groups";  // a name, and no path
  what["https://corp.example/groups"] = "one";
  EXPECT_EQ(check(what, by)->identity.groups, (std::vector<std::string>{"one"}));
  EXPECT_EQ(check(without("groups"))->identity.groups, std::vector<std::string>());
}

TEST(AToken, WhoseHolderCannotBeNamedIsRefused) {
  EXPECT_EQ(check(without("sub")).error(), JwtFault::kIdentity);
  for (const json& name : {json(""), json(7), json("ann\nbob"), json(std::string(257, 'a')),
                           json(nullptr), json({"ann"})}) {
    EXPECT_EQ(check(claims("sub", name)).error(), JwtFault::kIdentity) << name;
  }
  // Groups that are not understood may be those that a rule refuses.
  for (const json& groups : {json(7), json({1}), json({""}), json({{"a", 1}}),
                             json(std::vector<std::string>(257, "g"))}) {
    EXPECT_EQ(check(claims("groups", groups)).error(), JwtFault::kIdentity) << groups;
  }
}

}  // namespace
}  // namespace penstock::identity
