#include "identity/authorizer_answer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace penstock::identity {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(AnAnswer, NamesSomebodyAndHisGroups) {
  const auto who = read_answer(R"({"identity": "ann", "groups": ["staff", "ops"]})");
  ASSERT_TRUE(who) << who.error();
  EXPECT_EQ(who->name, "ann");
  EXPECT_THAT(who->groups, ElementsAre("staff", "ops"));
  EXPECT_THAT(read_answer(R"( {"identity":"job 7"} )")->groups, IsEmpty());
  EXPECT_THAT(read_answer(R"({"identity":"a","groups":[]})")->groups, IsEmpty());
}

TEST(AnAnswer, ThatCouldBeMisreadIsNone) {
  for (const std::string& text : {
           std::string(),
           std::string("ann"),
           std::string(R"("ann")"),
           std::string(R"(["ann"])"),
           std::string("{}"),
           std::string(R"({"identity": null})"),
           std::string(R"({"identity": 7})"),
           std::string(R"({"identity": ""})"),
           std::string(R"({"identity": "a\nb"})"),
           std::string(R"({"identity": "ann", "identity": "bob"})"),
           std::string(R"({"identity": "ann", "group": ["staff"]})"),
           std::string(R"({"identity": "ann", "groups": "staff"})"),
           std::string(R"({"identity": "ann", "groups": ["staff", 7]})"),
           std::string(R"({"identity": "ann", "groups": [""]})"),
           std::string(R"({"identity": "ann"} {"identity": "bob"})"),
           std::string(R"({"identity": "ann",})"),
           std::string("{\"identity\": \"a\xff\"}"),
           R"({"identity": ")" + std::string(kNameBytesMax + 1, 'a') + "\"}",
           std::string(kAnswerBytesMax, ' ') + R"({"identity": "ann"})",
       }) {
    EXPECT_FALSE(read_answer(text)) << text.substr(0, 80);
  }
  std::string many = R"({"identity": "ann", "groups": ["a")";
  for (size_t i = 0; i < kGroupsMax; ++i) many += R"(,"a")";
  EXPECT_FALSE(read_answer(many + "]}"));
}

Named by_fields(std::vector<std::pair<std::string, std::string>> fields,
                const std::string& groups = "remote-groups") {
  const fetch::Reply reply{.status = 200, .body = "", .fields = std::move(fields)};
  return read_answer_fields(reply, "remote-user", groups);
}

TEST(AnAnswer, MayStandInFields) {
  const auto who = by_fields({{"remote-user", "ann"}, {"remote-groups", "staff, ops ,x y"}});
  ASSERT_TRUE(who) << who.error();
  EXPECT_EQ(who->name, "ann");
  EXPECT_THAT(who->groups, ElementsAre("staff", "ops", "x y"));
  EXPECT_THAT(by_fields({{"remote-user", "ann"}, {"remote-groups", ""}})->groups, IsEmpty());
  EXPECT_THAT(by_fields({{"remote-user", "ann"}})->groups, IsEmpty());
  EXPECT_THAT(by_fields({{"remote-user", "ann"}}, "")->groups, IsEmpty());
}

TEST(AnAnswer, InFieldsIsOneOfEach) {
  EXPECT_FALSE(by_fields({}));
  EXPECT_FALSE(by_fields({{"remote-user", ""}}));
  EXPECT_FALSE(by_fields({{"remote-user", "ann"}, {"remote-user", "bob"}}));
  EXPECT_FALSE(by_fields({{"remote-user", "\xc3\xa4nn"}}));
  EXPECT_FALSE(by_fields({{"remote-user", "ann"}, {"remote-groups", "a,,b"}}));
  EXPECT_FALSE(by_fields({{"remote-user", "ann"}, {"remote-groups", "a,"}}));
  EXPECT_FALSE(by_fields({{"remote-user", "ann"}, {"remote-groups", "a"}, {"remote-groups", "b"}}));
  EXPECT_FALSE(by_fields({{"remote-user", "ann"}, {"remote-groups", "\xc3\xa4"}}));
  std::string many = "a";
  for (size_t i = 0; i < kGroupsMax; ++i) many += ",a";
  EXPECT_FALSE(by_fields({{"remote-user", "ann"}, {"remote-groups", many}}));
}

}  // namespace
}  // namespace penstock::identity
