#include <gtest/gtest.h>

#include <optional>

#include "policy/rules.h"
#include "policy/test_rules.h"

namespace penstock::policy {
namespace {

RuleFacts rule(TlsCheck tls, EchCheck ech = EchCheck::kDeny) {
  RuleFacts out;
  out.allow = true;
  out.tls = tls;
  out.ech = ech;
  return out;
}

Hello hello(std::string_view sni, bool ech = false) {
  Hello out;
  out.tls = true;
  out.sni = sni;
  out.ech = ech;
  return out;
}

const http::Authority kName = {"api.example.com", std::nullopt, 443};
const http::Authority kLiteral = {"192.0.2.7", IpAddress::from_v4(192, 0, 2, 7), 443};

TEST(JudgeHello, PassesTheNameOfTheConnectInAnySpelling) {
  const RuleFacts checked = rule(TlsCheck::kChecked);
  for (const char* sni : {"api.example.com", "API.Example.Com", "api.example.com."}) {
    EXPECT_EQ(Rules::judge_hello(&checked, kName, hello(sni)), std::nullopt) << sni;
  }
}

TEST(JudgeHello, RefusesAnotherNameBehindTheSameConnect) {
  const RuleFacts checked = rule(TlsCheck::kChecked);
  for (const char* sni : {"evil.example", "api.example.com.evil.example", "pi.example.com",
                          "*.example.com", "api.example.com\n", "127.0.0.1", "api.example.com.."}) {
    EXPECT_EQ(Rules::judge_hello(&checked, kName, hello(sni)), Code::kSniMismatch) << sni;
  }
  EXPECT_EQ(Rules::judge_hello(&checked, kName, hello(std::string_view("api.example.com\0", 16))),
            Code::kSniMismatch);
}

TEST(JudgeHello, RefusesAClientThatNamesNobody) {
  const RuleFacts checked = rule(TlsCheck::kChecked);
  const RuleFacts ech_allowed = rule(TlsCheck::kChecked, EchCheck::kAllow);
  EXPECT_EQ(Rules::judge_hello(&checked, kName, hello("")), Code::kSniMissing);
  EXPECT_EQ(Rules::judge_hello(&ech_allowed, kName, hello("", true)), Code::kSniMissing);
}

TEST(JudgeHello, TellsGreaseFromAHiddenName) {
  const RuleFacts denied = rule(TlsCheck::kChecked);
  const RuleFacts allowed = rule(TlsCheck::kChecked, EchCheck::kAllow);
  EXPECT_EQ(Rules::judge_hello(&denied, kName, hello("api.example.com", true)), std::nullopt);
  EXPECT_EQ(Rules::judge_hello(&denied, kName, hello("front.example", true)), Code::kEchDenied);
  EXPECT_EQ(Rules::judge_hello(&allowed, kName, hello("front.example", true)), std::nullopt);
  EXPECT_EQ(Rules::judge_hello(&allowed, kName, hello("front.example")), Code::kSniMismatch);
}

TEST(JudgeHello, CarriesOtherProtocolsUnlessTlsIsRequired) {
  const RuleFacts checked = rule(TlsCheck::kChecked);
  const RuleFacts required = rule(TlsCheck::kRequired);
  EXPECT_EQ(Rules::judge_hello(&checked, kName, Hello{}), std::nullopt);
  EXPECT_EQ(Rules::judge_hello(&required, kName, Hello{}), Code::kTlsRequired);
  EXPECT_EQ(Rules::judge_hello(&required, kName, hello("api.example.com")), std::nullopt);
}

TEST(JudgeHello, RefusesWhatLooksLikeAClientHelloAndIsNone) {
  Hello malformed;
  malformed.malformed = true;
  const RuleFacts checked = rule(TlsCheck::kChecked);
  const RuleFacts required = rule(TlsCheck::kRequired);
  EXPECT_EQ(Rules::judge_hello(&checked, kName, malformed), Code::kBadHello);
  EXPECT_EQ(Rules::judge_hello(&required, kName, malformed), Code::kBadHello);
  EXPECT_EQ(Rules::judge_hello(nullptr, kName, malformed), Code::kBadHello);
}

TEST(JudgeHello, LooksAtNothingWhenTheRuleIgnoresTls) {
  Hello malformed = hello("evil.example", true);
  malformed.malformed = true;
  const RuleFacts ignored = rule(TlsCheck::kIgnored);
  EXPECT_EQ(Rules::judge_hello(&ignored, kName, malformed), std::nullopt);
  EXPECT_EQ(Rules::judge_hello(&ignored, kName, hello("evil.example")), std::nullopt);
}

TEST(JudgeHello, ChecksEvenWithoutARule) {
  EXPECT_EQ(Rules::judge_hello(nullptr, kName, hello("evil.example")), Code::kSniMismatch);
  EXPECT_EQ(Rules::judge_hello(nullptr, kName, hello("front.example", true)), Code::kEchDenied);
  EXPECT_EQ(Rules::judge_hello(nullptr, kName, hello("api.example.com")), std::nullopt);
}

TEST(JudgeHello, LetsAnAddressGoWithoutAName) {
  const RuleFacts checked = rule(TlsCheck::kChecked);
  const RuleFacts ech_allowed = rule(TlsCheck::kChecked, EchCheck::kAllow);
  EXPECT_EQ(Rules::judge_hello(&checked, kLiteral, hello("")), std::nullopt);
  EXPECT_EQ(Rules::judge_hello(&checked, kLiteral, hello("192.0.2.7")), std::nullopt);
  EXPECT_EQ(Rules::judge_hello(&checked, kLiteral, hello("192.0.2.8")), Code::kSniMismatch);
  EXPECT_EQ(Rules::judge_hello(&checked, kLiteral, hello("evil.example", true)),
            Code::kSniMismatch);
  EXPECT_EQ(Rules::judge_hello(&ech_allowed, kLiteral, hello("front.example", true)), std::nullopt);
}

}  // namespace
}  // namespace penstock::policy
