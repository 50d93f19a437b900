#include "policy/rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "policy/askers.h"
#include "policy/test_rules.h"

namespace penstock::policy {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;

constexpr const char* kClient = "10.20.0.1";

bool allows(const Rules& rules, std::string_view target, const Asker& asker = from(kClient)) {
  return rules.judge_name(asker, to(target)).allowed;
}

// What became of a request: the addresses that may be dialled, or why none.
struct Outcome {
  Words routes;
  std::optional<Code> why;
  bool would_deny = false;

  friend bool operator==(const Outcome&, const Outcome&) = default;
};

void PrintTo(const Outcome& outcome, std::ostream* os) {
  for (const std::string& route : outcome.routes) *os << route << " ";
  if (outcome.why) *os << facts(*outcome.why).name;
  if (outcome.would_deny) *os << " would_deny";
}

Outcome judge(const Rules& rules, std::string_view target, const Words& addresses,
              const Surroundings& surroundings = {}, const Asker& asker = from(kClient)) {
  const http::Authority authority = to(target);
  const Decision decision = rules.judge_name(asker, authority);
  std::vector<IpAddress> parsed;
  for (const std::string& address : addresses) parsed.push_back(ip(address));
  Outcome out;
  Code why{};
  for (const Route& route : rules.judge_addresses(decision, asker, authority, parsed, surroundings,
                                                  &why, &out.would_deny)) {
    out.routes.push_back(route.endpoint().text());
  }
  if (out.routes.empty()) out.why = why;
  return out;
}

// A CONNECT to an address literal.
Outcome judge_literal(const Rules& rules, std::string_view target,
                      const Surroundings& surroundings = {}) {
  return judge(rules, target, {to(target).literal->text()}, surroundings);
}

Outcome refused(Code code = Code::kAddressDenied) {
  return {{}, code, false};
}

TEST(Rules, RefuseWhatNoRuleNames) {
  const Rules rules = compiled({{.patterns = {"api.example.com:443"}}});
  EXPECT_FALSE(compiled({}).judge_name(from(kClient), to("api.example.com:443")).allowed);
  const Decision decision = rules.judge_name(from(kClient), to("evil.example:443"));
  EXPECT_FALSE(decision.allowed);
  EXPECT_EQ(decision.rule, nullptr);
  EXPECT_EQ(decision.rule_index, UINT32_MAX);
}

TEST(Rules, LetTheFirstMatchDecide) {
  const Rules rules =
      compiled({{.allow = false, .patterns = {"bad.example.com:443"}, .name = "bad"},
                {.patterns = {"*.example.com:443"}, .name = "all"},
                {.allow = false, .patterns = {"late.example.com:443"}}});
  const Decision bad = rules.judge_name(from(kClient), to("bad.example.com:443"));
  EXPECT_FALSE(bad.allowed);
  EXPECT_EQ(bad.rule->name, "bad");
  const Decision late = rules.judge_name(from(kClient), to("late.example.com:443"));
  EXPECT_TRUE(late.allowed);
  EXPECT_EQ(late.rule->name, "all");
  EXPECT_EQ(late.rule_index, 1u);
}

TEST(Rules, CompareNamesInTheirCanonicalForm) {
  const Rules rules =
      compiled({{.allow = false, .patterns = {"Denied.Example.:443"}}, {.patterns = {"*:443"}}});
  for (const char* target : {"denied.example:443", "DENIED.example:443", "denied.example.:443"}) {
    EXPECT_FALSE(allows(rules, target)) << target;
  }
}

TEST(Rules, MatchASuffixAtAnyDepthButNotItself) {
  const Rules rules = compiled({{.patterns = {"*.example.com:443"}}});
  EXPECT_TRUE(allows(rules, "a.example.com:443"));
  EXPECT_TRUE(allows(rules, "a.b.c.example.com:443"));
  EXPECT_FALSE(allows(rules, "example.com:443"));
  EXPECT_FALSE(allows(rules, "badexample.com:443"));
  EXPECT_FALSE(allows(rules, "a.example.com.evil.org:443"));
  EXPECT_FALSE(allows(rules, "a.example.com:444"));
}

TEST(Rules, MatchPortsExactlyAsWritten) {
  const Rules rules = compiled({{.patterns = {"h:22,443,9000-9100"}}});
  for (const char* target : {"h:22", "h:443", "h:9000", "h:9050", "h:9100"}) {
    EXPECT_TRUE(allows(rules, target)) << target;
  }
  for (const char* target : {"h:21", "h:23", "h:8999", "h:9101", "h:1", "h:65535"}) {
    EXPECT_FALSE(allows(rules, target)) << target;
  }
}

TEST(Rules, LookAtTheClientsAddress) {
  const Rules rules = compiled({{.patterns = {"*:443"}, .clients = {"10.20.0.0/16", "fd00::/8"}}});
  EXPECT_TRUE(allows(rules, "a:443", from("10.20.255.255")));
  EXPECT_TRUE(allows(rules, "a:443", from("fd12::1")));
  EXPECT_FALSE(allows(rules, "a:443", from("10.21.0.0")));
}

TEST(Rules, SeeAV4ClientBehindAV6Socket) {
  const Rules rules =
      compiled({{.allow = false, .patterns = {"*:443"}, .clients = {"10.20.0.0/16"}},
                {.patterns = {"*:443"}}});
  EXPECT_FALSE(allows(rules, "a:443", from("::ffff:10.20.0.9")));
  EXPECT_TRUE(allows(rules, "a:443", from("::ffff:10.21.0.9")));
}

TEST(Rules, WantAnIdentityWhereTheRuleNamesOne) {
  const Rules rules = compiled({{.patterns = {"a:443"}, .identities = {"ci", "team-*-bot"}},
                                {.patterns = {"b:443"}, .identities = {"*"}}});
  EXPECT_TRUE(allows(rules, "a:443", from(kClient, "ci")));
  EXPECT_TRUE(allows(rules, "a:443", from(kClient, "team-red-bot")));
  EXPECT_TRUE(allows(rules, "a:443", from(kClient, "team--bot")));
  EXPECT_FALSE(allows(rules, "a:443", from(kClient, "team-red-bots")));
  EXPECT_FALSE(allows(rules, "a:443", from(kClient, "CI")));
  EXPECT_FALSE(allows(rules, "a:443", from(kClient)));
  EXPECT_TRUE(allows(rules, "b:443", from(kClient, "anybody")));
  EXPECT_FALSE(allows(rules, "b:443", from(kClient)));
}

TEST(Rules, WantOneOfTheAskersGroupsWhereTheRuleNamesSome) {
  const Rules rules = compiled({{.patterns = {"a:443"}, .groups = {"staff", "team-*"}},
                                {.patterns = {"b:443"}, .identities = {"ann"}, .groups = {"ops"}},
                                {.patterns = {"c:443"}, .groups = {"*"}}});
  const Words staff = {"x", "staff"};
  const Words ops = {"ops", "team-red"};
  EXPECT_TRUE(allows(rules, "a:443", from(kClient, "ann", staff)));
  EXPECT_TRUE(allows(rules, "a:443", from(kClient, "ann", ops)));
  EXPECT_FALSE(allows(rules, "a:443", from(kClient, "staff")));
  EXPECT_TRUE(allows(rules, "b:443", from(kClient, "ann", ops)));
  EXPECT_FALSE(allows(rules, "b:443", from(kClient, "ann", staff)));
  EXPECT_FALSE(allows(rules, "b:443", from(kClient, "bob", ops)));
  EXPECT_TRUE(allows(rules, "c:443", from(kClient, "bob", ops)));
  EXPECT_FALSE(allows(rules, "c:443", from(kClient, "bob")));
}

TEST(Rules, MayBeForSomeMethodsOnly) {
  const Rules rules = compiled({{.patterns = {"*:443"}, .methods = {"CONNECT"}},
                                {.patterns = {"*:80"}, .methods = {"plain"}},
                                {.patterns = {"read:81"}, .methods = {"GET", "HEAD"}},
                                {.patterns = {"any:82"}}});
  const auto allowed = [&](std::string_view target, std::string_view method) {
    return allows(rules, target, from(kClient, "", {}, method));
  };
  EXPECT_TRUE(allowed("a:443", "CONNECT"));
  EXPECT_FALSE(allowed("a:443", "GET"));
  EXPECT_FALSE(allowed("a:80", "CONNECT"));
  EXPECT_TRUE(allowed("a:80", "GET"));
  EXPECT_TRUE(allowed("a:80", "BREW"));
  EXPECT_TRUE(allowed("read:81", "HEAD"));
  EXPECT_FALSE(allowed("read:81", "POST"));
  EXPECT_FALSE(allowed("read:81", "CONNECT"));
  EXPECT_TRUE(allowed("any:82", "CONNECT"));
  EXPECT_TRUE(allowed("any:82", "DELETE"));
}

TEST(Rules, OfManyMethodsAndClientsAreFoundInLongLists) {
  std::vector<Written> rules;
  for (int i = 0; i < 40; ++i) {
    rules.push_back({.patterns = {"a:443"},
                     .clients = {"10.0.0." + std::to_string(i)},
                     .methods = {i % 2 == 0 ? "CONNECT" : "GET"}});
  }
  rules.push_back({.allow = false, .patterns = {"a:443"}, .methods = {"PUT"}});
  rules.push_back({.patterns = {"a:443"}, .methods = {"plain"}});
  const Rules compiled_rules = compiled(rules);
  EXPECT_TRUE(allows(compiled_rules, "a:443", from("10.0.0.8", "", {}, "CONNECT")));
  EXPECT_FALSE(allows(compiled_rules, "a:443", from("10.0.0.9", "", {}, "CONNECT")));
  EXPECT_TRUE(allows(compiled_rules, "a:443", from("10.0.0.8", "", {}, "GET")));
  EXPECT_FALSE(allows(compiled_rules, "a:443", from("10.0.0.8", "", {}, "PUT")));
}

TEST(Rules, ThatCarryTlsOnlyForwardNothing) {
  const std::vector<Written> rules = {{.patterns = {"a:80"}, .tls = TlsCheck::kRequired}};
  const auto decision = compiled(rules).judge_name(from(kClient, "", {}, "GET"), to("a:80"));
  EXPECT_FALSE(decision.allowed);
  EXPECT_EQ(decision.why, Code::kPlainDenied);
  EXPECT_TRUE(allows(compiled(rules), "a:80", from(kClient)));
  EXPECT_TRUE(compiled(rules, Mode::kReport)
                  .judge_name(from(kClient, "", {}, "GET"), to("a:80"))
                  .would_deny);
}

TEST(Glob, DoesNotTakeExponentialTime) {
  std::string pattern;
  for (int i = 0; i < 40; ++i) pattern += "a*";
  EXPECT_FALSE(glob_matches(pattern + "b", std::string(4000, 'a')));
  EXPECT_TRUE(glob_matches(pattern, std::string(4000, 'a')));
  EXPECT_TRUE(glob_matches("", ""));
  EXPECT_FALSE(glob_matches("", "a"));
  EXPECT_TRUE(glob_matches("**", ""));
}

TEST(Addresses, OfANameMustBePublic) {
  const Rules rules = compiled({{.patterns = {"a.example:443", "*.b.example:443", "*:80"}}});
  for (const char* target : {"a.example:443", "x.b.example:443", "z:80"}) {
    EXPECT_EQ(judge(rules, target, {"8.8.8.8"}).routes.size(), 1u) << target;
    for (const char* address :
         {"127.0.0.1", "10.0.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "168.63.129.16",
          "::1", "fd00::1", "fe80::1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1",
          "224.0.0.1", "255.255.255.255", "198.18.0.1"}) {
      EXPECT_EQ(judge(rules, target, {address}), refused()) << target << " at " << address;
    }
  }
}

TEST(Addresses, AreJudgedOneByOneAndKeepTheirOrder) {
  const Rules rules = compiled({{.patterns = {"a.example:443"}}});
  EXPECT_THAT(
      judge(rules, "a.example:443", {"10.0.0.1", "1.1.1.1", "127.0.0.1", "2606:4700::1", "8.8.8.8"})
          .routes,
      ElementsAre("1.1.1.1:443", "[2606:4700::1]:443", "8.8.8.8:443"));
}

TEST(Addresses, OfARuleThatListsThemAreExactlyThose) {
  const Rules rules =
      compiled({{.patterns = {"git.example:22,443"}, .addresses = {"127.0.0.0/8", "10.1.2.0/24"}}});
  EXPECT_THAT(judge(rules, "git.example:22", {"10.1.2.3", "127.0.0.9"}).routes,
              ElementsAre("10.1.2.3:22", "127.0.0.9:22"));
  EXPECT_EQ(judge(rules, "git.example:22", {"10.1.3.1"}), refused());
  EXPECT_EQ(judge(rules, "git.example:22", {"8.8.8.8"}), refused());
}

TEST(Addresses, NamedAsLiteralsOpenExactlyThemselves) {
  const Rules rules =
      compiled({{.patterns = {"127.0.0.1:9000-9100", "10.0.0.0/8:22", "[fd00::/8]:22"}}});
  EXPECT_EQ(judge_literal(rules, "127.0.0.1:9050").routes, Words{"127.0.0.1:9050"});
  EXPECT_EQ(judge_literal(rules, "10.3.4.5:22").routes, Words{"10.3.4.5:22"});
  EXPECT_EQ(judge_literal(rules, "[fd12::1]:22").routes, Words{"[fd12::1]:22"});
  for (const char* target : {"127.0.0.2:9050", "127.0.0.1:22", "11.0.0.1:22", "[fc00::1]:22",
                             "[::ffff:127.0.0.1]:9050", "[::ffff:10.3.4.5]:22"}) {
    EXPECT_FALSE(allows(rules, target)) << target;
  }
}

TEST(Addresses, NamedAsLiteralsAreNotOpenedForNames) {
  const Rules rules = compiled({{.patterns = {"10.0.0.0/8:443", "git.example:443"}}});
  EXPECT_EQ(judge(rules, "git.example:443", {"10.0.0.1"}), refused());
  EXPECT_EQ(judge_literal(rules, "10.0.0.1:443").routes, Words{"10.0.0.1:443"});
}

TEST(Addresses, OpenOnlyForThePortOfTheirPattern) {
  const Rules rules = compiled({{.patterns = {"*:443", "10.0.0.0/8:22"}}});
  EXPECT_EQ(judge_literal(rules, "10.0.0.1:22").routes, Words{"10.0.0.1:22"});
  EXPECT_EQ(judge_literal(rules, "10.0.0.1:443"), refused());
  EXPECT_EQ(judge_literal(rules, "8.8.8.8:443").routes, Words{"8.8.8.8:443"});
}

TEST(Addresses, OtherThanTheLiteralThatWasNamedAreRefused) {
  const Rules rules = compiled({{.patterns = {"*:443"}}});
  EXPECT_EQ(judge(rules, "1.1.1.1:443", {"8.8.8.8"}), refused());
}

TEST(Addresses, AnyPatternTakesLiteralsOnlyWhenPublic) {
  const Rules rules = compiled({{.patterns = {"*:443"}}, {.patterns = {"*.example:443"}}});
  EXPECT_EQ(judge_literal(rules, "8.8.8.8:443").routes, Words{"8.8.8.8:443"});
  for (const char* target : {"127.0.0.2:443", "[::1]:443", "[::]:443", "0.0.0.0:443",
                             "169.254.169.254:443", "[febf::1]:443", "[2002:a9fe:a9fe::]:443"}) {
    EXPECT_EQ(judge_literal(rules, target), refused()) << target;
  }
}

TEST(Addresses, ThatAnEarlierDenyNamesStayClosedForNames) {
  const Rules rules = compiled({{.allow = false, .patterns = {"8.8.0.0/16:443", "10.9.0.0/16:443"}},
                                {.patterns = {"a.example:443", "a.example:80"}},
                                {.patterns = {"b.example:443"}, .addresses = {"10.0.0.0/8"}},
                                {.allow = false, .patterns = {"1.1.1.1:443"}}});
  EXPECT_EQ(judge(rules, "a.example:443", {"8.8.8.8"}), refused());
  EXPECT_EQ(judge(rules, "a.example:80", {"8.8.8.8"}).routes, Words{"8.8.8.8:80"});
  EXPECT_EQ(judge(rules, "a.example:443", {"1.1.1.1"}).routes, Words{"1.1.1.1:443"})
      << "a later deny does not decide";
  EXPECT_EQ(judge(rules, "b.example:443", {"10.9.1.1"}), refused());
  EXPECT_EQ(judge(rules, "b.example:443", {"10.8.1.1"}).routes, Words{"10.8.1.1:443"});
}

TEST(Addresses, ThatADenyForOthersNamesStayOpen) {
  const Rules rules =
      compiled({{.allow = false, .patterns = {"8.8.8.8:443"}, .clients = {"10.21.0.0/16"}},
                {.allow = false, .patterns = {"1.1.1.1:443"}, .identities = {"guest"}},
                {.patterns = {"*:443"}}});
  EXPECT_EQ(judge(rules, "a:443", {"8.8.8.8"}, {}, from("10.20.0.1")).routes.size(), 1u);
  EXPECT_EQ(judge(rules, "a:443", {"8.8.8.8"}, {}, from("10.21.0.1")), refused());
  EXPECT_EQ(judge(rules, "a:443", {"8.8.8.8"}, {}, from("::ffff:10.21.0.1")), refused());
  EXPECT_EQ(judge(rules, "a:443", {"1.1.1.1"}, {}, from(kClient, "guest")), refused());
  EXPECT_EQ(judge(rules, "a:443", {"1.1.1.1"}).routes.size(), 1u);
}

TEST(Disguises, OpenOnlyWhenBothFacesAreOpen) {
  const Rules rules = compiled(
      {{.patterns = {"nat.example:443"}, .addresses = {"64:ff9b::/96"}},
       {.patterns = {"both.example:443"}, .addresses = {"64:ff9b::/96", "10.0.0.0/8"}},
       {.patterns = {"inner.example:443"}, .addresses = {"10.0.0.0/8"}},
       {.patterns = {"[64:ff9b:1::/48]:443", "[2001::/32]:443", "[::/0]:22", "10.0.0.0/8:22"}}});
  EXPECT_EQ(judge(rules, "nat.example:443", {"64:ff9b::808:808"}).routes.size(), 1u);
  EXPECT_EQ(judge(rules, "nat.example:443", {"64:ff9b::a00:1"}), refused());
  EXPECT_EQ(judge(rules, "nat.example:443", {"64:ff9b::a9fe:a9fe"}), refused());
  EXPECT_EQ(judge(rules, "both.example:443", {"64:ff9b::a00:1"}).routes.size(), 1u);
  EXPECT_EQ(judge(rules, "both.example:443", {"64:ff9b::c0a8:1"}), refused());
  EXPECT_EQ(judge(rules, "inner.example:443", {"64:ff9b::a00:1"}), refused());
  EXPECT_EQ(judge_literal(rules, "[64:ff9b:1::808:808]:443").routes.size(), 1u);
  EXPECT_EQ(judge_literal(rules, "[64:ff9b:1::a00:1]:443"), refused());
  // 10.0.0.8 in the /64 layout of RFC 6052, which reads as 8.0.0.0 in the /96 one.
  EXPECT_EQ(judge_literal(rules, "[64:ff9b:1::a:0:800:0]:443"), refused());
  // Teredo with a public server and a private client, and the other way round.
  EXPECT_EQ(judge_literal(rules, "[2001:0:808:808::f5ff:fffe]:443"), refused());
  EXPECT_EQ(judge_literal(rules, "[2001:0:a00:1::f7f7:f7f7]:443"), refused());
  EXPECT_EQ(judge_literal(rules, "[2001:0:808:808::f7f7:f7f7]:443").routes.size(), 1u);
  EXPECT_EQ(judge_literal(rules, "[::ffff:127.0.0.1]:22"), refused());
  EXPECT_EQ(judge_literal(rules, "[::ffff:10.0.0.1]:22").routes.size(), 1u);
  EXPECT_EQ(judge_literal(rules, "[fd00::5efe:127.0.0.1]:22"), refused());
}

TEST(Disguises, DoNotSlipPastADeny) {
  const Rules rules = compiled({{.allow = false, .patterns = {"8.8.8.8:443"}},
                                {.patterns = {"*:443"}, .addresses = {"::/0", "0.0.0.0/0"}}});
  EXPECT_EQ(judge(rules, "a:443", {"::ffff:8.8.8.8"}), refused());
  EXPECT_EQ(judge(rules, "a:443", {"64:ff9b::808:808"}), refused());
  EXPECT_EQ(judge(rules, "a:443", {"2002:808:808::1"}), refused());
  EXPECT_EQ(judge(rules, "a:443", {"2606:4700::5efe:8.8.8.8"}), refused());
  EXPECT_EQ(judge(rules, "a:443", {"::ffff:8.8.8.9"}).routes.size(), 1u);
}

TEST(Own, ListenersAreNeverADestination) {
  const Rules rules = compiled({{.patterns = {"0.0.0.0/0:1-65535", "[::/0]:1-65535"}},
                                {.patterns = {"*:1-65535"}, .addresses = {"0.0.0.0/0", "::/0"}}});
  const Surroundings exact{{*Endpoint::parse("127.0.0.1:3128")}, {}};
  EXPECT_EQ(judge_literal(rules, "127.0.0.1:3128", exact), refused(Code::kLoop));
  EXPECT_EQ(judge_literal(rules, "0.0.0.0:3128", exact), refused(Code::kLoop));
  EXPECT_EQ(judge_literal(rules, "[::]:3128", exact), refused(Code::kLoop));
  EXPECT_EQ(judge_literal(rules, "[::ffff:127.0.0.1]:3128", exact), refused(Code::kLoop));
  EXPECT_EQ(judge(rules, "me.example:3128", {"127.0.0.1"}, exact), refused(Code::kLoop));
  EXPECT_EQ(judge_literal(rules, "127.0.0.1:3129", exact).routes.size(), 1u);
  EXPECT_EQ(judge_literal(rules, "127.0.0.2:3128", exact).routes.size(), 1u);
}

TEST(Own, ListenersOnAnyAddressAreOnEveryOne) {
  const Rules rules = compiled({{.patterns = {"0.0.0.0/0:1-65535", "[::/0]:1-65535"}}});
  for (const char* any : {"0.0.0.0:3128", "[::]:3128", "[::ffff:0.0.0.0]:3128"}) {
    const Surroundings everywhere{{*Endpoint::parse(any)},
                                  {ip("10.0.0.7"), ip("2a00::7"), ip("8.8.8.8")}};
    for (const char* target :
         {"10.0.0.7:3128", "[2a00::7]:3128", "127.9.9.9:3128", "[::1]:3128", "0.0.0.0:3128",
          "[::]:3128", "8.8.8.8:3128", "[64:ff9b::a00:7]:3128"}) {
      EXPECT_EQ(judge_literal(rules, target, everywhere), refused(Code::kLoop)) << target << any;
    }
    EXPECT_EQ(judge_literal(rules, "10.0.0.8:3128", everywhere).routes.size(), 1u);
    EXPECT_EQ(judge_literal(rules, "10.0.0.7:3129", everywhere).routes.size(), 1u);
  }
}

TEST(Own, LoopsAreWhatTheClientIsToldAbout) {
  const Rules rules = compiled({{.patterns = {"*:3128"}}});
  const Surroundings mine{{*Endpoint::parse("127.0.0.1:3128")}, {}};
  EXPECT_EQ(judge(rules, "a:3128", {"127.0.0.1", "10.0.0.1"}, mine), refused(Code::kLoop));
  EXPECT_EQ(judge(rules, "a:3128", {"10.0.0.1", "127.0.0.1"}, mine), refused(Code::kLoop));
  EXPECT_EQ(judge(rules, "a:3128", {"127.0.0.1", "8.8.8.8"}, mine).routes, Words{"8.8.8.8:3128"});
}

TEST(Own, PublicAddressesAreClosedUnlessOpenedOnPurpose) {
  const Surroundings mine{{}, {ip("8.8.8.8"), ip("2606:4700::1")}};
  const Rules rules = compiled({{.patterns = {"open.example:443"}, .addresses = {"8.8.8.8"}},
                                {.patterns = {"8.8.8.8:22", "[::ffff:0:0/96]:22"}},
                                {.patterns = {"*:443"}}});
  EXPECT_EQ(judge(rules, "a:443", {"8.8.8.8"}, mine), refused());
  EXPECT_EQ(judge(rules, "a:443", {"2606:4700::1"}, mine), refused());
  EXPECT_EQ(judge(rules, "a:443", {"8.8.8.9"}, mine).routes.size(), 1u);
  EXPECT_EQ(judge(rules, "open.example:443", {"8.8.8.8"}, mine).routes.size(), 1u);
  EXPECT_EQ(judge_literal(rules, "8.8.8.8:22", mine).routes.size(), 1u);
  const auto explained =
      rules.explain_addresses(rules.judge_name(from(kClient), to("a:443")), from(kClient),
                              to("a:443"), std::vector{ip("8.8.8.8")}, mine);
  ASSERT_EQ(explained.size(), 1u);
  EXPECT_EQ(explained[0].address_class, AddressClass::kOwn);
  EXPECT_EQ(explained[0].refused, Code::kAddressDenied);
}

TEST(ReportMode, LetsPublicPassAndSaysThatItWouldNot) {
  const Rules rules = compiled({{.allow = false, .patterns = {"bad.example:443"}},
                                {.patterns = {"lab.example:443"}, .addresses = {"10.0.0.0/8"}},
                                {.patterns = {"ok.example:443"}}},
                               Mode::kReport);
  for (const char* target : {"bad.example:443", "unknown.example:443"}) {
    const Decision decision = rules.judge_name(from(kClient), to(target));
    EXPECT_TRUE(decision.allowed && decision.would_deny) << target;
    EXPECT_EQ(judge(rules, target, {"8.8.8.8"}), (Outcome{{"8.8.8.8:443"}, {}, true})) << target;
    EXPECT_EQ(judge(rules, target, {"10.0.0.1"}), refused()) << target;
  }
  EXPECT_EQ(judge(rules, "ok.example:443", {"8.8.8.8"}), (Outcome{{"8.8.8.8:443"}, {}, false}));
  EXPECT_EQ(judge(rules, "ok.example:443", {"127.0.0.1"}), refused());
  EXPECT_EQ(judge(rules, "lab.example:443", {"8.8.8.8"}), (Outcome{{"8.8.8.8:443"}, {}, true}));
  EXPECT_EQ(judge(rules, "lab.example:443", {"10.0.0.1"}), (Outcome{{"10.0.0.1:443"}, {}, false}));
  EXPECT_EQ(judge(rules, "lab.example:443", {"192.168.0.1"}), refused());
}

TEST(ReportMode, StillKnowsALoopWhenItSeesOne) {
  const Rules rules = compiled({}, Mode::kReport);
  const Surroundings mine{{*Endpoint::parse("8.8.8.8:443")}, {}};
  EXPECT_EQ(judge(rules, "a:443", {"8.8.8.8"}, mine), refused(Code::kLoop));
}

TEST(Addresses, OfADeniedNameAreNeverRoutes) {
  const Rules rules = compiled({});
  EXPECT_EQ(judge(rules, "a:443", {"8.8.8.8"}), refused(Code::kNameDenied));
}

TEST(Compile, ReportsEveryFaultAtItsPlace) {
  Spec spec = spec_of({{.patterns = {"ok:443", "api.example.com"}, .name = "twice"},
                       {.patterns = {"ok:443"}, .clients = {"10.0.0.1/8"}, .name = "twice"},
                       {.allow = false, .patterns = {"ok:1"}, .addresses = {"10.0.0.0/8", "x"}},
                       {.clients = {"::ffff:10.0.0.0/104"}, .identities = {"a", ""}},
                       {.patterns = {"ok:1"}, .methods = {"GET", "get", "plain", "", "PO ST"}}});
  const auto rules = Rules::compile(spec);
  ASSERT_FALSE(rules);
  const auto fault = [](int line, int column, const char* text) {
    return AllOf(
        Field(&Fault::place, AllOf(Field(&Place::line, line), Field(&Place::column, column))),
        Field(&Fault::message, HasSubstr(text)));
  };
  EXPECT_THAT(
      rules.error(),
      ElementsAre(fault(2, 1, "\"twice\" is taken by the rule in line 1"),
                  fault(1, 2, "says no port; write \"api.example.com:443\""),
                  fault(1, 1, "the network is 10.0.0.0/8"), fault(1, 2, "\"x\" is not an address"),
                  fault(1, 1, "refuses and so leads nowhere"), fault(4, 1, "names no destination"),
                  fault(1, 1, "write 10.0.0.0/8"), fault(1, 2, "an identity is empty"),
                  fault(1, 2, "\"get\" is no method"), fault(1, 4, "is no method"),
                  fault(1, 5, "\"PO ST\" is no method")));
}

TEST(Compile, WantsANameForEachRule) {
  Spec spec = spec_of({{.patterns = {"ok:443"}}});
  spec.rules[0].name.clear();
  EXPECT_FALSE(Rules::compile(spec));
}

}  // namespace
}  // namespace penstock::policy
