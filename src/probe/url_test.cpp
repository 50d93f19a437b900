#include "probe/url.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

namespace penstock::probe {
namespace {

using testing::HasSubstr;
using testing::Not;

http::Authority authority(std::string_view text) {
  return http::parse_authority(text).value();
}

TEST(Url, HasAnAuthorityAndATarget) {
  const Url url = parse_url("HTTPS://Example.com:8443/a/b?c=d#part").value();
  EXPECT_EQ(url.authority.text(), "example.com:8443");
  EXPECT_EQ(url.target, "/a/b?c=d");
  EXPECT_EQ(url.text(), "https://example.com:8443/a/b?c=d");
}

TEST(Url, MayLeaveOutWhatGoesWithoutSaying) {
  EXPECT_EQ(parse_url("https://example.com").value().text(), "https://example.com/");
  EXPECT_EQ(parse_url("https://example.com?q").value().target, "/?q");
  EXPECT_EQ(parse_url("https://[::1]").value().authority.text(), "[::1]:443");
  EXPECT_EQ(parse_url("https://[::1]:8443/").value().authority.port, 8443);
  EXPECT_EQ(parse_url("https://example.com/a:b@c").value().target, "/a:b@c");
}

TEST(Url, ThatIsNoneIsToldWhatWouldBeRight) {
  EXPECT_EQ(parse_url("http://example.com/x").error(),
            "\"http://example.com/x\" is in the clear, and the probe times TLS; write "
            "https://example.com/x");
  EXPECT_EQ(parse_url("example.com").error(),
            "\"example.com\" is no URL; write https://example.com");
  EXPECT_THAT(parse_url("").error(), HasSubstr("write https://host/"));
  EXPECT_THAT(parse_url("ftp://example.com/").error(), HasSubstr("write https://host/"));
  EXPECT_THAT(parse_url("https://a b/").error(), HasSubstr("letters, digits"));
  EXPECT_THAT(parse_url("https://a.example:99999/").error(), HasSubstr("port"));
  EXPECT_THAT(parse_url("https://a.example/x y").error(), HasSubstr("%XX"));
  EXPECT_THAT(parse_url("https://a.example/x\r\nEvil: 1").error(), HasSubstr("%XX"));
}

TEST(Url, WithUserInformationIsRefusedWithoutRepeatingIt) {
  const std::string error = parse_url("https://me:secret@a.example/").error();
  EXPECT_THAT(error, HasSubstr("a.example"));
  EXPECT_THAT(error, Not(HasSubstr("secret")));
}

TEST(NoProxy, ExemptsNamesAndWhatIsBelowThem) {
  for (const char* list : {"example.com", ".example.com", "a.test, EXAMPLE.com", "example.com:443",
                           "x example.com", "*"}) {
    EXPECT_TRUE(goes_direct(list, authority("www.example.com:443"))) << list;
  }
  EXPECT_TRUE(goes_direct("example.com", authority("example.com:443")));
  for (const char* list : {"", ",", "ample.com", "example.com:80", "www.example.com.test",
                           "10.0.0.0/8", "example.com:", "*.example.com"}) {
    EXPECT_FALSE(goes_direct(list, authority("www.example.com:443"))) << list;
  }
}

TEST(NoProxy, ExemptsAddressesAndPrefixes) {
  for (const char* list : {"127.0.0.1", "127.0.0.0/8", "127.0.0.1:443", "a.test,127.0.0.1"}) {
    EXPECT_TRUE(goes_direct(list, authority("127.0.0.1:443"))) << list;
  }
  EXPECT_TRUE(goes_direct("::1", authority("[::1]:443")));
  EXPECT_TRUE(goes_direct("[::1]", authority("[::1]:443")));
  EXPECT_TRUE(goes_direct("[::1]:443", authority("[::1]:443")));
  EXPECT_FALSE(goes_direct("127.0.0.1:80", authority("127.0.0.1:443")));
  EXPECT_FALSE(goes_direct("127.0.0.2,0.0.1", authority("127.0.0.1:443")));
}

TEST(Environment, PrefersTheLowerCaseNames) {
  ::setenv("HTTPS_PROXY", "http://upper:1", 1);
  ::unsetenv("https_proxy");
  EXPECT_EQ(read_environment().https_proxy, "http://upper:1");
  ::setenv("https_proxy", "http://lower:1", 1);
  EXPECT_EQ(read_environment().https_proxy, "http://lower:1");
  ::unsetenv("https_proxy");
  ::unsetenv("HTTPS_PROXY");
  EXPECT_EQ(read_environment().https_proxy, "");
}

}  // namespace
}  // namespace penstock::probe
