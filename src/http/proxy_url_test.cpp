#include "http/proxy_url.h"

#include <gmock/gmock.h>

namespace penstock::http {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(ProxyUrl, MayLeaveOutItsSchemeAndItsPort) {
  EXPECT_EQ(parse_proxy_url("http://127.0.0.1:3128/").value().text(), "http://127.0.0.1:3128");
  EXPECT_EQ(parse_proxy_url("proxy.example").value().text(), "http://proxy.example:80");
  const ProxyUrl secure = parse_proxy_url("https://proxy.example").value();
  EXPECT_TRUE(secure.secure());
  EXPECT_EQ(secure.authority.port, 443);
  EXPECT_EQ(parse_proxy_url("[::1]:3128").value().text(), "http://[::1]:3128");
}

TEST(ProxyUrl, KeepsCredentialsToItself) {
  const ProxyUrl proxy = parse_proxy_url("http://me:p%40ss@proxy.example:3128").value();
  EXPECT_EQ(proxy.credentials, "me:p@ss");
  EXPECT_EQ(proxy.text(), "http://proxy.example:3128");
  EXPECT_EQ(parse_proxy_url("me@proxy.example").value().credentials, "me:");
  for (const char* wrong :
       {"http://me:secret@proxy.example:0", "http://me:secret%0d%0a@p", "http://me:secret%@p"}) {
    const auto refused = parse_proxy_url(wrong);
    ASSERT_FALSE(refused.has_value()) << wrong;
    EXPECT_THAT(refused.error(), Not(HasSubstr("secret")));
  }
}

TEST(ProxyUrl, OfAParentMayBeOfSocks) {
  const ProxyUrl parent = parse_parent_url("socks5h://me:p%40ss@proxy.example").value();
  EXPECT_TRUE(parent.socks());
  EXPECT_EQ(parent.text(), "socks5h://proxy.example:1080");
  EXPECT_EQ(parent.credentials, "me:p@ss");
  EXPECT_TRUE(parse_parent_url("https://proxy.example").value().secure());
  EXPECT_EQ(parse_parent_url("proxy.example").value().text(), "http://proxy.example:80");
  EXPECT_THAT(parse_parent_url("socks5://me:secret@proxy.example").error(),
              testing::AllOf(HasSubstr("write socks5h://HOST:PORT"), Not(HasSubstr("secret"))));
  const std::string long_one(256, 'x');
  for (const std::string& wrong : {"me:" + long_one, long_one + ":pw", std::string("me"),
                                   std::string(":pw"), std::string("me:")}) {
    const auto refused = parse_parent_url("socks5h://" + wrong + "@proxy.example");
    ASSERT_FALSE(refused) << wrong;
    EXPECT_THAT(refused.error(), HasSubstr("1 to 255 bytes"));
  }
}

TEST(ProxyUrl, ThatIsNoHttpProxyIsRefused) {
  EXPECT_FALSE(parse_proxy_url("socks5h://127.0.0.1:1080"));
  EXPECT_FALSE(parse_proxy_url("socks5://me:secret@127.0.0.1:1080"));
  EXPECT_THAT(parse_proxy_url("socks5://127.0.0.1:1080").error(), HasSubstr("http://HOST:PORT"));
  EXPECT_FALSE(parse_proxy_url("").has_value());
  EXPECT_FALSE(parse_proxy_url("http://a/b").has_value());
}

// RFC 7617 section 2, and what RFC 4648 section 10 has of padding.
TEST(ProxyUrl, SaysItsCredentialsAsAFieldHasThem) {
  const auto said = [](std::string_view user) {
    return parse_proxy_url("http://" + std::string(user) + "@proxy.example")
        .value()
        .authorization();
  };
  EXPECT_EQ(said("Aladdin:open%20sesame"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
  EXPECT_EQ(said("f:"), "Basic Zjo=");
  EXPECT_EQ(said("fo:"), "Basic Zm86");
  EXPECT_EQ(said("%ff:"), "Basic /zo=");
  EXPECT_EQ(parse_proxy_url("proxy.example").value().authorization(), "");
}

}  // namespace
}  // namespace penstock::http
