#include "fetch/url.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace penstock::fetch {
namespace {

using testing::HasSubstr;

TEST(AUrl, IsEncryptedOrOfThisMachine) {
  for (const char* good :
       {"https://login.example.com/keys", "https://10.1.2.3:8443/a?b=c", "https://[fd00::1]/"}) {
    const auto url = parse_url(good);
    ASSERT_TRUE(url) << good << " " << url.error();
    EXPECT_TRUE(url->encrypted);
  }
  for (const char* good : {"http://127.0.0.1:9000/keys", "http://127.9.9.9/", "http://[::1]:80/a",
                           "http://localhost:9000/"}) {
    const auto url = parse_url(good);
    ASSERT_TRUE(url) << good << " " << url.error();
    EXPECT_FALSE(url->encrypted);
  }
}

TEST(AUrl, ThatOthersCouldAnswerIsRefused) {
  for (const char* bad : {"http://login.example.com/keys", "http://10.1.2.3/", "http://[fd00::1]/",
                          "http://127.0.0.1.example.com/", "http://localhost.example.com/",
                          "http://[::ffff:127.0.0.1]/", "http://128.0.0.1/"}) {
    const auto url = parse_url(bad);
    ASSERT_FALSE(url) << bad;
    EXPECT_THAT(url.error(), HasSubstr("use https://")) << bad;
  }
}

TEST(AUrl, OfAnotherKindIsRefusedWithItsReason) {
  struct Wrong {
    std::string text;
    const char* why;
  };
  const Wrong table[] = {
      {"ftp://127.0.0.1/keys", "is neither https:// nor http://"},
      {"file:///etc/passwd", "is neither https:// nor http://"},
      {"https://ann:sesame@login.example.com/", "has a user in it"},
      {"https://ann@login.example.com/", "has a user in it"},
      {"https://login.example.com/#keys", "has a fragment"},
      {"https://login.example.com/a b", "printable ASCII"},
      {"https://login.example.com/\r\nHost: a", "printable ASCII"},
      {"https://l\xc3\xb6gin.example.com/", "printable ASCII"},
      {"https://", "is no URL"},
      {"login.example.com", "is no URL"},
      {"https://login.example.com:99999/", "is no URL"},
      {"", "is no URL"},
      {"https://login.example.com/" + std::string(kUrlBytesMax, 'a'), "longer than 2 KiB"},
  };
  for (const Wrong& wrong : table) {
    const auto url = parse_url(wrong.text);
    ASSERT_FALSE(url) << wrong.text;
    EXPECT_THAT(url.error(), HasSubstr(wrong.why)) << wrong.text;
  }
}

}  // namespace
}  // namespace penstock::fetch
