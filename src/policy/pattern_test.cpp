#include "policy/pattern.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace penstock::policy {
namespace {

using ::testing::HasSubstr;

std::string reason(std::string_view text) {
  const auto pattern = parse_pattern(text);
  return pattern ? "accepted as " + pattern->text() : pattern.error();
}

TEST(Pattern, ReadsEachFormOfADestination) {
  const std::tuple<const char*, Pattern::Kind, const char*> forms[] = {
      {"api.example.com:443", Pattern::Kind::kName, "api.example.com:443"},
      {"API.Example.COM.:443", Pattern::Kind::kName, "api.example.com:443"},
      {"git:22,443", Pattern::Kind::kName, "git:22,443"},
      {"*.cdn.example.net:443", Pattern::Kind::kSuffix, "*.cdn.example.net:443"},
      {"*.COM.:80", Pattern::Kind::kSuffix, "*.com:80"},
      {"*:1-65535", Pattern::Kind::kAny, "*:1-65535"},
      {"10.0.0.0/8:443", Pattern::Kind::kPrefix, "10.0.0.0/8:443"},
      {"127.0.0.1:9000-9100", Pattern::Kind::kPrefix, "127.0.0.1:9000-9100"},
      {"127.0.0.1/32:1", Pattern::Kind::kPrefix, "127.0.0.1:1"},
      {"0.0.0.0/0:443", Pattern::Kind::kPrefix, "0.0.0.0/0:443"},
      {"[::1]:443", Pattern::Kind::kPrefix, "[::1]:443"},
      {"[FD00::/8]:22,80", Pattern::Kind::kPrefix, "[fd00::/8]:22,80"},
      {"a:443,22,9000-9100", Pattern::Kind::kName, "a:22,443,9000-9100"},
      {"a:7-7", Pattern::Kind::kName, "a:7"},
  };
  for (const auto& [text, kind, canonical] : forms) {
    const auto pattern = parse_pattern(text);
    ASSERT_TRUE(pattern) << text << ": " << pattern.error();
    EXPECT_EQ(pattern->kind, kind) << text;
    EXPECT_EQ(pattern->text(), canonical) << text;
  }
}

TEST(Pattern, SaysWhatWasFoundAndWhatWouldBeRight) {
  const std::pair<const char*, const char*> reasons[] = {
      {"", "is empty"},
      {"api.example.com", "\"api.example.com\" says no port; write \"api.example.com:443\""},
      {"10.0.0.0/8", "write \"10.0.0.0/8:443\""},
      {"[::1]", "write \"[::1]:443\""},
      {"::1", "write \"[::1]:443\""},
      {"fd00::/8", "write \"[fd00::/8]:443\""},
      {"fd00::/8:443", "write \"[fd00::/8]:443\""},
      {"fd00:::443", "write \"[fd00::]:443\""},
      {"[fd00::]/8:443", "write \"[fd00::/8]:443\""},
      {"[::1:443", "no closing bracket"},
      {"[::1]443", "where \":port\" should"},
      {"[127.0.0.1]:443", "is neither"},
      {"[denied.example]:443", "is neither"},
      {"[[::1]]:443", "\"]:443\" stands where"},
      {"[fe80::1%eth0]:443", "has a zone"},
      {"[fd00::1/8]:443", "the network is fd00::/8"},
      {"10.0.0.1/8:443", "the network is 10.0.0.0/8"},
      {"10.0.0.0/33:443", "write 0 to 32"},
      {"10.0.0.0/08:443", "without leading zeros"},
      {"example.com/24:443", "is not an address or prefix"},
      {"a:b:443", "more than one colon"},
      {":443", "the host is missing"},
      {"a:", "a port is missing"},
      {"a:443,", "a port is missing"},
      {"a:,443", "a port is missing"},
      {"a:-443", "a port is missing"},
      {"a:0", "port 0 does not exist"},
      {"a:0-10", "port 0 does not exist"},
      {"a:0443", "begins with a zero"},
      {"a:+443", "not a number"},
      {"a:443e0", "not a number"},
      {"a:443/x", "not a number"},
      {"a:65536", "not a number from 1 to 65535"},
      {"a:65979", "not a number from 1 to 65535"},
      {"a:*", "write 1-65535"},
      {"a:443-22", "runs backwards; write 22-443"},
      {"a:1-2-3", "not a number"},
      {"a:443,443", "443 twice"},
      {"a:1-100,50", "50 twice (1-100 and 50)"},
      {"a:22, 443", "white space"},
      {" a:443", "white space"},
      {"https://example.com:443", "has a scheme"},
      {"user@example.com:443", "user information"},
      {"foo.*.com:443", "write \"*.example.com\""},
      {"*foo.com:443", "write \"*.example.com\""},
      {"*.*.com:443", "write \"*.example.com\""},
      {"*.:443", "is not a host name"},
      {".example.com:443", "is not a host name"},
      {"a..b:443", "is not a host name"},
      {"\"localhost\":443", "is not a host name"},
      {"b\xc3\xbc"
       "cher.example:443",
       "\\xc3\\xbc"},
      {"127.1:443", "looks like an address"},
      {"2130706433:443", "looks like an address"},
      {"0177.0.0.1:443", "looks like an address"},
      {"*.10:443", "looks like an address"},
  };
  for (const auto& [text, expected] : reasons) {
    EXPECT_THAT(reason(text), HasSubstr(expected)) << text;
  }
}

TEST(Prefix, NamesTheNetworkThatWasMeant) {
  EXPECT_EQ(parse_prefix("10.0.0.0/8")->text(), "10.0.0.0/8");
  EXPECT_EQ(parse_prefix("10.0.0.1")->text(), "10.0.0.1/32");
  EXPECT_THAT(parse_prefix("10.20.30.40/12").error(), HasSubstr("the network is 10.16.0.0/12"));
  EXPECT_THAT(parse_prefix("fd00::1/64").error(), HasSubstr("the network is fd00::/64"));
  EXPECT_THAT(parse_prefix("lan").error(), HasSubstr("is not an address or prefix"));
  EXPECT_THAT(parse_prefix("").error(), HasSubstr("is not an address or prefix"));
}

}  // namespace
}  // namespace penstock::policy
