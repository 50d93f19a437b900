#include "policy/inspection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "policy/test_rules.h"

namespace penstock::policy {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Why = RequestVerdict::Why;

RequestSpec item(int line) {
  RequestSpec out;
  out.place = {line, 1};
  return out;
}
RequestSpec with_methods(int line, const Words& methods) {
  RequestSpec out = item(line);
  out.methods = located(methods);
  return out;
}
RequestSpec with_paths(int line, const Words& paths) {
  RequestSpec out = item(line);
  out.paths = located(paths);
  return out;
}
RequestSpec with_header(const std::string& name, const std::string& glob) {
  RequestSpec out = item(1);
  out.headers.push_back({{name, {1, 1}}, {glob, {1, 2}}});
  return out;
}
RequestSpec with_types(const Words& types) {
  RequestSpec out = item(1);
  out.content_types = located(types);
  return out;
}

std::shared_ptr<const Inspection> compiled(const InspectionSpec& spec) {
  Faults faults;
  auto out = Inspection::compile(spec, faults);
  for (const Fault& fault : faults) ADD_FAILURE() << fault.message;
  return out;
}
std::shared_ptr<const Inspection> allowing(std::vector<RequestSpec> items) {
  InspectionSpec spec;
  spec.allow = std::move(items);
  return compiled(spec);
}
std::shared_ptr<const Inspection> denying(std::vector<RequestSpec> items) {
  InspectionSpec spec;
  spec.deny = std::move(items);
  return compiled(spec);
}
std::string faults_of(const InspectionSpec& spec) {
  Faults faults;
  EXPECT_EQ(Inspection::compile(spec, faults), nullptr);
  std::string out;
  for (const Fault& fault : faults) out += fault.message + "\n";
  return out;
}

constexpr std::string_view kTarget = "api.example.com:443";
bool passes(const std::shared_ptr<const Inspection>& by, const InsideRequest& request,
            std::string_view target = kTarget) {
  const auto refused = by->judge(to(target), request);
  if (refused) EXPECT_EQ(*refused, Code::kRequestDenied);
  return !refused;
}
InsideRequest get(std::string_view path, std::string_view fields = "") {
  return {"GET", path, fields, 0};
}

TEST(Inspection, WithoutWordsReadsEverythingAndLetsEverythingPass) {
  const auto all = compiled({});
  EXPECT_TRUE(all->reads(to(kTarget)));
  EXPECT_TRUE(passes(all, get("/../\\")));
  EXPECT_EQ(all->verdict(to(kTarget), get("/")).why, Why::kNothingDenied);
}

TEST(Inspection, ExceptionsOfTheRuleAndOfTheFileAreNotRead) {
  InspectionSpec spec;
  spec.except = located({"*.bank.example"});
  spec.excepted_by_file = {*parse_host_pattern("health.example")};
  const auto some = compiled(spec);
  EXPECT_FALSE(some->reads(to("www.bank.example:443")));
  EXPECT_FALSE(some->reads(to("health.example:8443")));
  EXPECT_TRUE(some->reads(to("bank.example:443")));
}

TEST(InspectionDeathTest, IsNotAskedBeforeItsFilesHaveBeenRead) {
  InspectionSpec spec;
  spec.except_file = {"/etc/penstock/unread", {1, 1}};
  const auto unread = compiled(spec);
  EXPECT_DEATH(unread->reads(to(kTarget)), "");
  EXPECT_DEATH(unread->judge(to(kTarget), get("/")), "");
}

TEST(Inspection, ADenyWinsOverAnAllow) {
  InspectionSpec spec;
  spec.allow = {with_paths(3, {"/v1/*"})};
  spec.deny = {with_paths(7, {"/v1/admin*"})};
  const auto both = compiled(spec);
  EXPECT_TRUE(passes(both, get("/v1/users")));
  EXPECT_FALSE(passes(both, get("/v1/admin")));
  EXPECT_FALSE(passes(both, get("/v2/users")));
  EXPECT_EQ(both->verdict(to(kTarget), get("/v1/users")).place.line, 3);
  EXPECT_EQ(both->verdict(to(kTarget), get("/v1/admin")).place.line, 7);
  EXPECT_EQ(both->verdict(to(kTarget), get("/v2/users")).why, Why::kNoneAllows);
  EXPECT_EQ(both->verdict(to(kTarget), get("/v1/../x")).why, Why::kPath);
}

TEST(Inspection, AllThatAnItemNamesMustHold) {
  RequestSpec both = with_methods(1, {"GET", "HEAD"});
  both.paths = located({"/v1/*"});
  both.hosts = located({"*.example.com"});
  const auto one = allowing({both});
  EXPECT_TRUE(passes(one, get("/v1/x")));
  EXPECT_FALSE(passes(one, {"POST", "/v1/x", "", 0}));
  EXPECT_FALSE(passes(one, get("/v2/x")));
  EXPECT_FALSE(passes(one, get("/v1/x"), "example.org:443"));
}

TEST(Inspection, MethodsAreAllowedAsWrittenAndDeniedInAnyCase) {
  EXPECT_TRUE(passes(allowing({with_methods(1, {"GET"})}), get("/")));
  EXPECT_FALSE(passes(allowing({with_methods(1, {"GET"})}), {"get", "/", "", 0}));
  EXPECT_FALSE(passes(denying({with_methods(1, {"DELETE"})}), {"delete", "/", "", 0}));
  EXPECT_TRUE(passes(denying({with_methods(1, {"DELETE"})}), get("/")));
}

TEST(Inspection, APathThatCannotBeJudgedIsDeniedByEveryPathAndAllowedByNone) {
  constexpr std::string_view kPath = "/a/../b";
  EXPECT_TRUE(passes(denying({with_methods(1, {"DELETE"})}), get(kPath)));
  EXPECT_FALSE(passes(denying({with_paths(1, {"/x"})}), get(kPath)));
  EXPECT_FALSE(passes(allowing({with_paths(1, {"/*"})}), get(kPath)));
  // An item that does not ask for the path lets it pass, and one for another host says nothing.
  EXPECT_TRUE(passes(allowing({with_paths(1, {"/x"}), with_methods(2, {"GET"})}), get(kPath)));
  RequestSpec elsewhere = with_paths(1, {"/x"});
  elsewhere.hosts = located({"other.example"});
  EXPECT_TRUE(passes(denying({elsewhere}), get(kPath)));
}

TEST(Inspection, AHeaderIsAllowedByAllOfThatNameAndDeniedByAny) {
  const auto allow = allowing({with_header("X-Org", "mine")});
  EXPECT_TRUE(passes(allow, get("/", "x-org: mine\r\n")));
  EXPECT_FALSE(passes(allow, get("/")));
  EXPECT_FALSE(passes(allow, get("/", "X-Org: Mine\r\n")));
  EXPECT_FALSE(passes(allow, get("/", "X-Org: mine\r\nX-Org: theirs\r\n")));
  EXPECT_FALSE(passes(allow, get("/", "X-Org: mine\r\nX_Org: theirs\r\n")));
  EXPECT_FALSE(passes(allow, get("/", "X_Org: mine\r\n")));
  EXPECT_FALSE(passes(allow, get("/", "X-Org: mine, theirs\r\n")));

  const auto deny = denying({with_header("X-Method", "DELETE")});
  EXPECT_TRUE(passes(deny, get("/", "X-Method: GET\r\n")));
  EXPECT_TRUE(passes(deny, get("/")));
  EXPECT_FALSE(passes(deny, get("/", "X-Method: GET\r\nx-method: delete\r\n")));
  EXPECT_FALSE(passes(deny, get("/", "X_Method: DELETE\r\n")));
  EXPECT_FALSE(passes(deny, get("/", "X-Method: GET , DELETE\r\n")));
  EXPECT_FALSE(passes(denying({with_header("X-Debug", "*")}), get("/", "X-Debug:\r\n")));
}

TEST(Inspection, AContentTypeIsLookedAtWithoutItsParameters) {
  const auto json = allowing({with_types({"application/json", "image/*"})});
  EXPECT_TRUE(passes(json, get("/", "Content-Type: Application/JSON; charset=utf-8\r\n")));
  EXPECT_TRUE(passes(json, get("/", "Content-Type: image/png\r\n")));
  EXPECT_FALSE(passes(json, get("/", "Content-Type: text/html\r\n")));
  EXPECT_FALSE(passes(json, get("/", "Content-Type: image/png, text/html\r\n")));
  EXPECT_FALSE(passes(json, get("/", "Content-Type: image/png\r\nContent-Type: text/html\r\n")));
  EXPECT_FALSE(passes(json, get("/", "Content_Type: image/png\r\n")));
  EXPECT_FALSE(passes(json, get("/")));

  const auto none = denying({with_types({"multipart/*"})});
  EXPECT_FALSE(passes(none, get("/", "Content-Type: text/plain, multipart/form-data;b=1\r\n")));
  EXPECT_FALSE(passes(none, get("/", "content_type: Multipart/Mixed\r\n")));
  EXPECT_TRUE(passes(none, get("/", "Content-Type: text/plain\r\n")));
}

TEST(Inspection, WhatIsNotKnownOfABodyDoesNotLetItPass) {
  RequestSpec small = item(1);
  small.body_max = 100;
  const auto at_most = allowing({small});
  EXPECT_TRUE(passes(at_most, {"PUT", "/", "", 100}));
  EXPECT_FALSE(passes(at_most, {"PUT", "/", "", 101}));
  EXPECT_FALSE(passes(at_most, {"PUT", "/", "", std::nullopt}));
  RequestSpec large = item(1);
  large.body_over = 100;
  const auto not_over = denying({large});
  EXPECT_TRUE(passes(not_over, {"PUT", "/", "", 100}));
  EXPECT_FALSE(passes(not_over, {"PUT", "/", "", 101}));
  EXPECT_FALSE(passes(not_over, {"PUT", "/", "", std::nullopt}));
}

TEST(Inspection, FieldsAreRemovedByFoldedNamesAndSetAsWritten) {
  InspectionSpec spec;
  spec.remove_headers = located({"Cookie", "X_Key"});
  spec.set_headers = {{{"Authorization", {1, 1}}, {"Bearer abc", {1, 2}}, {}}};
  const auto edits = compiled(spec)->edits;
  EXPECT_THAT(edits.removed, ElementsAre("cookie", "x-key"));
  ASSERT_EQ(edits.set.size(), 1u);
  EXPECT_EQ(edits.set[0].name, "Authorization");
  EXPECT_EQ(edits.set[0].value, "Bearer abc");
}

TEST(Inspection, WhatTheProxyWritesItselfIsNobodysToEdit) {
  for (const char* name : {"Host", "content-length", "Content_Length", "Transfer-Encoding",
                           "Connection", "TE", "Upgrade", "Via", "Proxy-Authorization", "Expect"}) {
    InspectionSpec spec;
    spec.remove_headers = located({name});
    EXPECT_THAT(faults_of(spec), HasSubstr("the proxy writes itself")) << name;
    spec = {};
    spec.set_headers = {{{name, {1, 1}}, {"x", {1, 2}}, {}}};
    EXPECT_THAT(faults_of(spec), HasSubstr("the proxy writes itself")) << name;
  }
}

TEST(Inspection, AFaultyValueIsNotRepeated) {
  for (const char* value : {"", " s3cret", "s3cret\r\nX: y", "s3cret\t", "s3\x01cret"}) {
    InspectionSpec spec;
    spec.set_headers = {{{"Authorization", {1, 1}}, {value, {1, 2}}, {}}};
    const std::string faults = faults_of(spec);
    EXPECT_THAT(faults, HasSubstr("no value of a field"));
    EXPECT_THAT(faults, testing::Not(HasSubstr("cret")));
  }
}

TEST(Inspection, EveryFaultIsNamed) {
  InspectionSpec spec;
  spec.except = located({"a.example:443"});
  RequestSpec bad = with_methods(1, {"get", "CONNECT", "G T"});
  bad.hosts = located({"https://x"});
  bad.paths = located({"v1"});
  bad.content_types = located({"json", "text/html; charset=utf-8"});
  bad.headers.push_back({{"X Y", {1, 1}}, {"*", {1, 2}}});
  spec.allow = {bad};
  spec.set_headers = {{{"X-A", {1, 1}}, {"1", {}}, {}}, {{"x_a", {1, 1}}, {"2", {}}, {}}};
  spec.remove_headers = located({"X:"});
  const std::string faults = faults_of(spec);
  for (const char* part :
       {"except: \"a.example:443\"", "methods: \"get\"", "nobody asks for another",
        "methods: \"G T\"", "hosts: \"https://x\"", "paths: \"v1\" does not begin",
        "content_types: \"json\"", "content_types: \"text/html; charset=utf-8\"",
        "headers: \"X Y\"", "set_headers: x_a is set twice", "remove_headers: \"X:\""}) {
    EXPECT_THAT(faults, HasSubstr(part));
  }
}

TEST(Inspection, IsOfRulesThatAllowAndLookForTls) {
  Spec spec = spec_of({{.allow = true, .patterns = {"*:443"}, .name = "all"}});
  spec.rules[0].inspect = std::make_shared<const InspectionSpec>();
  auto rules = Rules::compile(spec);
  ASSERT_TRUE(rules);
  const auto decision = rules->judge_name(from("10.0.0.1"), to("a.example:443"));
  ASSERT_NE(decision.rule->inspect, nullptr);
  EXPECT_TRUE(decision.rule->inspect->reads(to("a.example:443")));

  spec.rules[0].tls = TlsCheck::kIgnored;
  rules = Rules::compile(spec);
  ASSERT_FALSE(rules);
  EXPECT_THAT(rules.error()[0].message, HasSubstr("tls: ignored"));
  spec.rules[0].tls = TlsCheck::kChecked;
  spec.rules[0].allow = false;
  rules = Rules::compile(spec);
  ASSERT_FALSE(rules);
  EXPECT_THAT(rules.error()[0].message, HasSubstr("refuses"));
}

}  // namespace
}  // namespace penstock::policy
