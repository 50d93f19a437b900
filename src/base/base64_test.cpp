#include "base/base64.h"

#include <gtest/gtest.h>

#include "base/secret.h"

namespace penstock {
namespace {

using std::string_view_literals::operator""sv;

TEST(Base64, ReadsTheVectorsOfTheRfc) {
  EXPECT_EQ(decode_base64(""), "");
  EXPECT_EQ(decode_base64("Zg=="), "f");
  EXPECT_EQ(decode_base64("Zm8="), "fo");
  EXPECT_EQ(decode_base64("Zm9v"), "foo");
  EXPECT_EQ(decode_base64("Zm9vYg=="), "foob");
  EXPECT_EQ(decode_base64("Zm9vYmFy"), "foobar");
  EXPECT_EQ(decode_base64("+/+/"), "\xfb\xff\xbf");
  EXPECT_EQ(decode_base64url("-_-_"), "\xfb\xff\xbf");
  EXPECT_EQ(decode_base64url("Zg"), "f");
}

TEST(Base64, WritesTheVectorsOfTheRfc) {
  EXPECT_EQ(encode_base64(""), "");
  EXPECT_EQ(encode_base64("f"), "Zg==");
  EXPECT_EQ(encode_base64("fo"), "Zm8=");
  EXPECT_EQ(encode_base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(encode_base64("\xfb\xff\xbf"), "+/+/");
}

TEST(Base64, TakesOneSpellingOnly) {
  for (const auto text : {"Zg"sv, "Zg="sv, "Zh=="sv, "Zm9="sv, "Z==="sv, "===="sv, "Zm9v\n"sv,
                          " Zm9v"sv, "Zm9v===="sv, "Zg==Zg=="sv, "-_-_"sv, "Zm\0v"sv}) {
    EXPECT_EQ(decode_base64(text), std::nullopt) << text;
  }
  for (const auto text : {"Zg=="sv, "Z"sv, "Zh"sv, "+/+/"sv, "Zm9v "sv}) {
    EXPECT_EQ(decode_base64url(text), std::nullopt) << text;
  }
}

TEST(ASecret, IsMovedAndNeverCopied) {
  static_assert(!std::is_copy_constructible_v<Secret>);
  Secret one("hunter2");
  Secret other(std::move(one));
  EXPECT_EQ(other.view(), "hunter2");
  EXPECT_EQ(one.view(), "");  // NOLINT(bugprone-use-after-move): that is the question
  one = std::move(other);
  EXPECT_EQ(one.view(), "hunter2");
}

}  // namespace
}  // namespace penstock
