// `inspection:` and a rule's `inspect:`, as they are written, and the files that they name.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "config/config.h"

namespace penstock::config {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kHead =
    "listeners: [{address: 127.0.0.1:3128}]\n"
    "inspection: {ca: /etc/penstock/ca.pem, key: /etc/penstock/ca.key}\n";

std::string with_inspect(std::string_view inspect, std::string_view more = "") {
  std::string out(kHead);
  out += "policy: {rules: [{allow: [\"*:443\"], inspect: ";
  out += inspect;
  out += more;
  return out + "}]}\n";
}

Snapshot must_parse(std::string_view text) {
  auto config = parse(text, "f");
  EXPECT_TRUE(config) << (config ? "" : describe(config.error(), "f"));
  return config ? *config : defaults();
}
std::string report(std::string_view text) {
  const auto config = parse(text, "f");
  return config ? "accepted" : describe(config.error(), "f");
}
std::string warnings(std::string_view text) {
  return describe(must_parse(text)->warnings, "f");
}

const policy::RuleFacts& rule_of(const Snapshot& config) {
  const auto target = http::parse_authority("a.example:443");
  return *config->rules->judge_name({.client = IpAddress::from_v4(10, 0, 0, 1)}, *target).rule;
}

class Files : public testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/penstock-inspection-XXXXXX";
    ASSERT_NE(::mkdtemp(path), nullptr);
    folder_ = path;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string file(const std::string& name, std::string_view text) const {
    const std::string path = folder_ + "/" + name;
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  std::string path_of(const std::string& name) const { return folder_ + "/" + name; }

  static std::string faults(const std::string& text) {
    const auto config = with_inspection(must_parse(text));
    return config ? "accepted" : describe(config.error(), "f");
  }

 private:
  std::string folder_;
};

TEST(InspectionKeys, TheShortFormAndTheEmptyOneReadEverything) {
  for (const char* inspect : {"true", "{}"}) {
    const auto config = must_parse(with_inspect(inspect));
    const auto& rule = rule_of(config);
    ASSERT_NE(rule.inspect, nullptr);
    EXPECT_EQ(rule.inspect->origin_faults, policy::OriginFaults::kRefuse);
    EXPECT_EQ(rule.inspect->other, policy::OtherProtocols::kTunnel);
    EXPECT_EQ(rule.inspect->tunnel_pinned_after, 0u);
    EXPECT_TRUE(rule.inspect->edits.empty());
    EXPECT_EQ(config->inspection->ca.value, "/etc/penstock/ca.pem");
    EXPECT_EQ(config->inspection->leaves, 4096u);
    EXPECT_TRUE(config->warnings.empty());
  }
}

TEST(InspectionKeys, AllOfThemAreRead) {
  const auto config = must_parse(with_inspect(R"({
      except: ["*.bank.example", pinned.example.com], origin_faults: mimic, other: refuse,
      on_pinned: {tunnel_after: 3}, certificate: /etc/c.pem, key: /etc/c.key,
      http: {allow: [{methods: [GET], hosts: ["*.example"], paths: ["/v1/*"],
                      headers: {X-Org: mine}, content_types: [application/json], body_max: 1MiB}],
             deny: [{body_over: 2MiB}]},
      set_headers: {X-From: penstock}, remove_headers: [Cookie]})"));
  const auto& inspect = *rule_of(config).inspect;
  EXPECT_EQ(inspect.origin_faults, policy::OriginFaults::kMimic);
  EXPECT_EQ(inspect.other, policy::OtherProtocols::kRefuse);
  EXPECT_EQ(inspect.tunnel_pinned_after, 3u);
  EXPECT_EQ(inspect.certificate.value, "/etc/c.pem");
  EXPECT_EQ(inspect.key.value, "/etc/c.key");
  EXPECT_EQ(inspect.edits.set.at(0).value, "penstock");
  EXPECT_EQ(inspect.edits.removed.at(0), "cookie");
  const auto target = *http::parse_authority("a.example:443");
  EXPECT_FALSE(inspect.reads(*http::parse_authority("x.bank.example:443")));
  const std::string_view fields = "X-Org: mine\r\nContent-Type: application/json\r\n";
  EXPECT_FALSE(inspect.judge(target, {"GET", "/v1/x", fields, 1024 * 1024}));
  EXPECT_TRUE(inspect.judge(target, {"GET", "/v1/x", fields, 1024 * 1024 + 1}));
  EXPECT_TRUE(inspect.judge(target, {"GET", "/v2/x", fields, 0}));
}

TEST(InspectionKeys, ARuleThatInspectsRequiresTlsUnlessItSaysOtherwise) {
  EXPECT_EQ(rule_of(must_parse(with_inspect("true"))).tls, policy::TlsCheck::kRequired);
  const std::string checked = with_inspect("true", ", tls: checked");
  EXPECT_EQ(rule_of(must_parse(checked)).tls, policy::TlsCheck::kChecked);
  EXPECT_THAT(warnings(checked), HasSubstr("lets pass unread what does not begin like TLS"));
  EXPECT_THAT(report(with_inspect("true", ", tls: ignored")), HasSubstr("does not look for TLS"));
}

TEST(InspectionKeys, WithoutACaThereIsNothingToInspectWith) {
  const std::string said = report(
      "listeners: [{address: 127.0.0.1:3128}]\n"
      "policy: {rules: [{name: all, allow: [\"*:443\"], inspect: true}]}\n");
  EXPECT_THAT(said, HasSubstr("f:2:57: inspect: rule \"all\" reads tunnels"));
  EXPECT_THAT(said, HasSubstr("penstock ca init"));
  EXPECT_THAT(report("listeners: [{address: 127.0.0.1:3128}]\ninspection: {ca: /a}\n"),
              HasSubstr("key \"key\" is missing"));
}

TEST(InspectionKeys, WarnOfWhatIsNotMeant) {
  EXPECT_THAT(warnings(kHead), HasSubstr("f:2:18: inspection: no rule says `inspect`"));
  std::string logged = with_inspect("true");
  logged.replace(logged.find("key:"), 4, "key_log: /tmp/keys, key:");
  EXPECT_THAT(warnings(logged), HasSubstr("THE KEYS OF EVERY INSPECTED TUNNEL ARE WRITTEN TO"));
}

TEST(InspectionKeys, EveryFaultHasItsPlace) {
  struct Wrong {
    const char* inspect;
    const char* said;
  };
  constexpr Wrong kTable[] = {
      {"false", "3:46: policy.rules[0].inspect: found \"false\"; expected true, or a mapping"},
      {"[a]", "inspect: found a list"},
      {"{excpet: [a.example]}", "unknown key \"excpet\"; did you mean \"except\"?"},
      {"{except: []}", "inspect.except: the list is empty"},
      {"{except: [\"a.example:443\"]}", "3:56: except: \"a.example:443\" is more than a host"},
      {"{except_file: hosts}", "the path of a file from the root on"},
      {"{origin_faults: ignore}", "expected refuse or mimic"},
      {"{on_pinned: tunnel}", "expected report, or a mapping such as {tunnel_after: 3}"},
      {"{on_pinned: {tunnel_after: 0}}", "a whole number from 1 to 1000"},
      {"{certificate: /a}", "inspect.certificate: needs key"},
      {"{key: /a}", "inspect.key: needs certificate"},
      {"{http: {}}", "inspect.http: needs allow or deny"},
      {"{http: {allow: []}}", "the list is empty"},
      {"{http: {allow: [{}]}}", "allow[0]: says nothing and so matches everything"},
      {"{http: {allow: [{body_over: 1MiB}]}}", "allow[0].body_over: is for deny"},
      {"{http: {deny: [{body_max: 1MiB}]}}", "deny[0].body_max: is for allow"},
      {"{http: {deny: [{body_over: 5}]}}", "a whole number with a unit"},
      {"{http: {deny: [{paths: [\"/a?b\"]}]}}", "3:70: paths: \"/a?b\" has a query"},
      {"{http: {deny: [{headers: {}}]}}", "expected names and globs"},
      {"{set_headers: {}}", "expected names and values"},
      {"{set_headers: {X-A: [1]}}", "set_headers.X-A: expected a value"},
      {"{set_headers: {X-A: {}}}", "key \"file\" is missing"},
      {"{set_headers: {Host: a}}", "the proxy writes itself"},
      {"{set_headers: {X-A: \"\"}}", "3:66: set_headers: what X-A is set to is no value"},
      {"{remove_headers: [Content-Length]}", "the proxy writes itself"},
  };
  for (const Wrong& wrong : kTable) {
    EXPECT_THAT(report(with_inspect(wrong.inspect)), HasSubstr(wrong.said)) << wrong.inspect;
  }
  std::string denying = with_inspect("true");
  denying.replace(denying.find("allow"), 5, "deny");
  EXPECT_THAT(report(denying), HasSubstr("inspect: rule \"rule 1\" refuses"));
}

TEST(InspectionKeys, AFaultyValueIsInNoMessage) {
  for (const char* value : {"\"s3cret\\n\"", "[s3cret]", "\" s3cret\"", "{fil: s3cret}"}) {
    const std::string said =
        report(with_inspect("{set_headers: {X-A: " + std::string(value) + "}}"));
    EXPECT_THAT(said, Not(HasSubstr("accepted"))) << value;
    EXPECT_THAT(said, Not(HasSubstr("s3cret"))) << value;
  }
}

TEST_F(Files, AreReadAndTheirLastNewlineIsNoPartOfAValue) {
  const std::string hosts = file("hosts", "*.bank.example\n# and\nhealth.example\n");
  const std::string token = file("token", "Bearer abc\r\n");
  const auto config = with_inspection(must_parse(with_inspect(
      "{except_file: " + hosts + ", set_headers: {Authorization: {file: " + token + "}}}")));
  ASSERT_TRUE(config);
  const auto& inspect = *rule_of(*config).inspect;
  EXPECT_FALSE(inspect.reads(*http::parse_authority("health.example:443")));
  EXPECT_TRUE(inspect.reads(*http::parse_authority("a.example:443")));
  EXPECT_EQ(inspect.edits.set.at(0).value, "Bearer abc");
}

TEST_F(Files, ThatAreMissingOrBadAreFaultsWithPlaceAndLine) {
  const std::string bad = file("bad", "a.example\nb.example:443\n");
  EXPECT_THAT(faults(with_inspect("{except_file: " + bad + "}")),
              HasSubstr("f:3:60: " + bad + ":2: \"b.example:443\" is more than a host"));
  EXPECT_THAT(faults(with_inspect("{except_file: " + path_of("none") + "}")),
              HasSubstr("cannot be read: No such file"));
  const std::string two = file("two", "s3cret\ns3cret\n");
  const std::string said = faults(with_inspect("{set_headers: {X-A: {file: " + two + "}}}"));
  EXPECT_THAT(said, HasSubstr(two + ": is no value of a field"));
  EXPECT_THAT(said, Not(HasSubstr("s3cret")));
  EXPECT_THAT(faults(with_inspect("{set_headers: {X-A: {file: " + file("empty", "\n") + "}}}")),
              HasSubstr("is no value of a field"));
}

TEST_F(Files, AreNotOpenedByTheParser) {
  const auto config =
      must_parse(with_inspect("{except_file: /none/a, set_headers: {X-A: {file: /none/b}}}"));
  EXPECT_NE(rule_of(config).inspect, nullptr);
}

TEST_F(Files, OfARuleWithoutAnyCostNothing) {
  const auto config = must_parse(with_inspect("true"));
  EXPECT_EQ(with_inspection(config).value(), config);
}

}  // namespace
}  // namespace penstock::config
