#include "http/edit.h"

#include <gtest/gtest.h>

namespace penstock::http {
namespace {

constexpr std::string_view kHead =
    "GET /a HTTP/1.1\r\nHost: a.example\r\nCookie: x=1\r\nAuthorization: Basic b\r\n"
    "Accept: */*\r\nAUTHORIZATION: Basic c\r\n\r\n";

TEST(EditHead, WithoutEditsIsAsItWas) {
  EXPECT_EQ(edit_head(kHead, {}), kHead);
  EXPECT_TRUE(FieldEdits{}.empty());
}

TEST(EditHead, TakesEveryLineOfAName) {
  const FieldEdits edits{{"authorization", "cookie"}, {}};
  EXPECT_EQ(edit_head(kHead, edits), "GET /a HTTP/1.1\r\nHost: a.example\r\nAccept: */*\r\n\r\n");
}

TEST(EditHead, PutsWhatIsSetInPlaceOfTheClientsOwn) {
  const FieldEdits edits{{}, {{"Authorization", "Bearer t"}, {"X-From", "penstock"}}};
  EXPECT_EQ(edit_head(kHead, edits),
            "GET /a HTTP/1.1\r\nHost: a.example\r\nCookie: x=1\r\nAccept: */*\r\n"
            "Authorization: Bearer t\r\nX-From: penstock\r\n\r\n");
}

TEST(EditHead, SeesNamesAsCgiDoes) {
  const FieldEdits edits{{"x-key"}, {{"X-Token", "t"}}};
  EXPECT_EQ(edit_head("GET / HTTP/1.1\r\nX_Key: 1\r\nx_token: 2\r\nXKey: 3\r\n\r\n", edits),
            "GET / HTTP/1.1\r\nXKey: 3\r\nX-Token: t\r\n\r\n");
}

TEST(EditHead, LeavesTheFirstLineAlone) {
  const FieldEdits edits{{"get /cookie"}, {{"Cookie", "y"}}};
  EXPECT_EQ(edit_head("GET /Cookie:x HTTP/1.1\r\n\r\n", edits),
            "GET /Cookie:x HTTP/1.1\r\nCookie: y\r\n\r\n");
}

TEST(FieldValue, IsOneLineWithoutWhiteSpaceAround) {
  EXPECT_TRUE(is_field_value("Bearer a\tb\xe4"));
  for (const char* bad : {"", " a", "a ", "a\r\nb", "a\nb", "a\x7f", "\t"}) {
    EXPECT_FALSE(is_field_value(bad));
  }
}

}  // namespace
}  // namespace penstock::http
