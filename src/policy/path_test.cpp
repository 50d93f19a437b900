#include "policy/path.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace penstock::policy {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

std::vector<std::string> readings(std::string_view path) {
  const auto out = PathReadings::of(path);
  return out ? out->all() : std::vector<std::string>{};
}

std::vector<PathGlob> globs(const std::vector<std::string>& texts) {
  std::vector<PathGlob> out;
  for (const std::string& text : texts) {
    auto glob = PathGlob::parse(text);
    if (!glob) ADD_FAILURE() << text << " " << glob.error();
    if (glob) out.push_back(std::move(*glob));
  }
  return out;
}

// What becomes of a request with that path where there are such globs. What cannot be judged is
// refused by both.
bool allowed(const std::vector<std::string>& by, std::string_view path) {
  const auto read = PathReadings::of(path);
  return read && allows(globs(by), *read);
}
bool denied(const std::vector<std::string>& by, std::string_view path) {
  const auto read = PathReadings::of(path);
  return !read || denies(globs(by), *read);
}

std::string fault(std::string_view glob) {
  const auto parsed = PathGlob::parse(glob);
  return parsed ? "" : parsed.error();
}

TEST(Path, AnOrdinaryOneHasOneReading) {
  EXPECT_THAT(readings("/"), ElementsAre("/"));
  EXPECT_THAT(readings(""), ElementsAre("/"));
  EXPECT_THAT(readings("*"), ElementsAre("*"));
  EXPECT_THAT(readings("/v1/users/42.json"), ElementsAre("/v1/users/42.json"));
  EXPECT_THAT(readings("/a_b-c~d/(e),f=$g&h'!@:+"), ElementsAre("/a_b-c~d/(e),f=$g&h'!@:+"));
}

TEST(Path, WhatMeansTheSameToEverybodyIsOneSpelling) {
  EXPECT_THAT(readings("/%61dm%69n%2d%7E"), ElementsAre("/admin-~"));
  EXPECT_THAT(readings("/caf%c3%a9"), ElementsAre("/caf%C3%A9"));
  EXPECT_THAT(readings("/a%20b"), ElementsAre("/a%20b"));
  EXPECT_THAT(readings("/a[0]{x}|"), ElementsAre("/a%5B0%5D%7Bx%7D%7C"));
  EXPECT_THAT(readings("/a*b"), ElementsAre("/a%2Ab"));
  EXPECT_THAT(readings("/a%2Ab"), ElementsAre("/a%2Ab"));
}

TEST(Path, AnEncodedSlashIsOneAndIsNone) {
  EXPECT_THAT(readings("/a%2fb"), ElementsAre("/a%2Fb", "/a/b"));
  EXPECT_THAT(readings("/a%252fb"), ElementsAre("/a%252fb", "/a%2Fb", "/a/b"));
}

TEST(Path, ParametersAreReadAndAreDropped) {
  EXPECT_THAT(readings("/a;x=1/b"), ElementsAre("/a;x=1/b", "/a/b"));
  EXPECT_THAT(readings("/a;x%2fy/b%2fc"), UnorderedElementsAre("/a;x%2Fy/b%2Fc", "/a/b%2Fc",
                                                               "/a;x/y/b/c", "/a/b/c", "/a/y/b/c"));
}

TEST(Path, ADoubleSlashIsTwoAndOne) {
  EXPECT_THAT(readings("//a///b"), ElementsAre("//a///b", "/a/b"));
}

TEST(Path, AnEncodedQuestionMarkIsItselfAndTheEnd) {
  EXPECT_THAT(readings("/a%3Fb"), ElementsAre("/a%3Fb", "/a"));
  EXPECT_THAT(readings("/c%23/x"), ElementsAre("/c%23/x", "/c"));
}

TEST(Path, APercentSignThatEncodesNothingStaysOne) {
  EXPECT_THAT(readings("/100%25"), ElementsAre("/100%25"));
  EXPECT_THAT(readings("/100%25zz"), ElementsAre("/100%25zz"));
}

TEST(Path, WhatLeadsOutOfItsPlaceCannotBeJudged) {
  for (const char* path :
       {"/..", "/a/../b", "/a/./b", "/.", "/%2e%2e/b", "/.%2E/b", "/a%2f..%2fb", "/%252e%252e/b",
        "/..;/b", "/..;x=1/b", "/a/..%3bx/b", "/..%2f", "/.%3Fx", "/a\\b", "/a%5cb", "/a%255cb"}) {
    EXPECT_FALSE(PathReadings::of(path)) << path;
  }
  EXPECT_TRUE(PathReadings::of("/..."));
  EXPECT_TRUE(PathReadings::of("/.well-known/x..y"));
}

TEST(Path, WhatServersWouldGuessAtCannotBeJudged) {
  for (const char* path : {"/%", "/%4", "/%zz", "/%u0061", "/a%00b", "/a%0ab", "/%7f", "/%c0%af",
                           "/%e0%80%af", "/%f0%80%80%af", "/%C1%A1", "/%ff", "a/b", "http://x/",
                           "/a\x80", "/a?b", "/a#b", "/a\tb"}) {
    EXPECT_FALSE(PathReadings::of(path)) << path;
  }
  EXPECT_TRUE(PathReadings::of("/%e0%a4%b9%f0%9f%98%80"));
}

TEST(Path, TooManyReadingsOrBytesCannotBeJudged) {
  std::string deep = "/%";
  for (size_t i = 0; i < PathReadings::kReadingsMax; ++i) deep += "25";
  EXPECT_FALSE(PathReadings::of(deep + "61"));
  EXPECT_TRUE(PathReadings::of("/%25252561"));
  EXPECT_FALSE(PathReadings::of("/" + std::string(PathReadings::kBytesMax, 'a')));
  EXPECT_TRUE(PathReadings::of("/" + std::string(PathReadings::kBytesMax - 1, 'a')));
}

TEST(Path, NoSpellingEvadesADeny) {
  for (const char* path :
       {"/admin/x",      "/%61dmin/x", "/ADMIN/x",     "//admin/x",      "/admin//x",
        "/admin;a=1/x",  "/admin%2Fx", "/admin%252fx", "/%2561dmin/x",   "/%2Fadmin/x",
        "/x/../admin/x", "/./admin/x", "/;/admin/x",   "/;a/admin/x",    "/%3b/admin/x",
        "/..;/admin/x",  "/admin/x;",  "/\\admin/x",   "/%c0%afadmin/x", "/admin%00/x",
        "/aDm%49n%3bq/x"}) {
    EXPECT_TRUE(denied({"/admin/*"}, path)) << path;
  }
  for (const char* path : {"/admin", "/admin/", "/admin//", "/admin%3Fx", "/admin%23", "/admin;x",
                           "/admin;x/", "/ADMIN%2f"}) {
    EXPECT_TRUE(denied({"/admin"}, path)) << path;
  }
  EXPECT_FALSE(denied({"/admin", "/admin/*"}, "/administration"));
  EXPECT_FALSE(denied({"/admin", "/admin/*"}, "/x/admin"));
  EXPECT_TRUE(denied({"/v1/*:delete"}, "/v1/x%3Adelete"));
}

TEST(Path, NoSpellingWidensAnAllow) {
  EXPECT_TRUE(allowed({"/v1/*"}, "/v1/users"));
  EXPECT_TRUE(allowed({"/v1/*"}, "/%76%31/users"));
  for (const char* path : {"/v1/../admin", "/v1/%2e%2e/admin", "/v1/..;/admin", "/v1/..%2fadmin",
                           "/v1%2fx", "//v1/x", "/V1/x", "/v1", "/v1;/../x", "/v1/x\\..\\y"}) {
    EXPECT_FALSE(allowed({"/v1/*"}, path)) << path;
  }
  EXPECT_FALSE(allowed({"*.png"}, "/admin%3F.png"));
  EXPECT_FALSE(allowed({"*.png"}, "/admin;.png"));
  EXPECT_FALSE(allowed({"/v1/*:get"}, "/v1/secret%3Aget"));
}

TEST(Path, AnAllowMayNameEachReading) {
  EXPECT_FALSE(allowed({"/@scope/*"}, "/@scope%2fname"));
  EXPECT_TRUE(allowed({"/@scope/*", "/@scope%2F*"}, "/@scope%2fname"));
  EXPECT_TRUE(allowed({"/*"}, "/@scope%2fname"));
}

TEST(Path, AGlobIsSpelledLikeThePath) {
  EXPECT_TRUE(allowed({"/%61/*"}, "/a/b"));
  EXPECT_TRUE(allowed({"/x[0]"}, "/x%5b0%5D"));
  EXPECT_TRUE(allowed({"/100%2A"}, "/100*"));
  EXPECT_FALSE(allowed({"/100%2A"}, "/1000"));
}

TEST(Path, AGlobThatCannotMatchIsRefused) {
  EXPECT_THAT(fault("v1/*"), HasSubstr("does not begin with"));
  EXPECT_THAT(fault(""), HasSubstr("does not begin with"));
  EXPECT_THAT(fault("/v1?x=*"), HasSubstr("query"));
  EXPECT_THAT(fault("/a/../b"), HasSubstr("between slashes"));
  EXPECT_THAT(fault("/caf\xc3\xa9"), HasSubstr("hexadecimal"));
  EXPECT_THAT(fault("/a%2*"), HasSubstr("hexadecimal"));
  EXPECT_THAT(fault("/" + std::string(512, 'a')), HasSubstr("512"));
}

}  // namespace
}  // namespace penstock::policy
