// What a listener may be told: read as it was written, and every fault as a person sees it.
#include <gtest/gtest.h>

#include <algorithm>

#include "config/config.h"

namespace penstock::config {
namespace {

Listener listener(std::string_view options) {
  const auto config =
      parse("listeners: [{address: 127.0.0.1:3128, " + std::string(options) + "}]", "f");
  EXPECT_TRUE(config) << describe(config.error(), "f");
  return config ? (*config)->listeners[0] : Listener{};
}

std::string report(std::string_view options) {
  const auto config =
      parse("listeners:\n - {address: 127.0.0.1:3128, " + std::string(options) + "}", "f");
  return config ? "accepted" : describe(config.error(), "f");
}

TEST(Listeners, SpeakHttpAloneUnlessTheySayMore) {
  const auto plain = parse("listeners: [{address: 127.0.0.1:3128}]", "f");
  ASSERT_TRUE(plain);
  EXPECT_TRUE((*plain)->listeners[0].speaks(Protocol::kHttp));
  EXPECT_TRUE((*plain)->listeners[0].speaks(Protocol::kHttp1));
  EXPECT_TRUE((*plain)->listeners[0].speaks(Protocol::kHttp2));
  EXPECT_FALSE((*plain)->listeners[0].speaks(Protocol::kSocks5));
  EXPECT_FALSE(listener("protocols: [http/1.1]").speaks(Protocol::kHttp2));
  EXPECT_TRUE(listener("protocols: [h2, socks5]").speaks(Protocol::kHttp2));
  EXPECT_FALSE(listener("protocols: [h2, socks5]").speaks(Protocol::kHttp1));
  EXPECT_TRUE(listener("protocols: [http, socks5]").speaks(Protocol::kSocks5));
  EXPECT_FALSE(listener("protocols: [socks5]").speaks(Protocol::kHttp));
  EXPECT_EQ(report("protocols: [socks4]"),
            "f:2:42: listeners[0].protocols[0]: found \"socks4\"; expected http, http/1.1, h2 or "
            "socks5\n");
  EXPECT_EQ(report("protocols: []"),
            "f:2:41: listeners[0].protocols: the list is empty; name at least one, or leave the "
            "key out\n");
}

TEST(Listeners, TrustTheSendersThatTheyName) {
  const Listener trusting = listener("proxy_protocol: {from: [10.0.0.0/8, \"fd00::1\"]}");
  EXPECT_TRUE(trusting.trusts(*IpAddress::parse("10.1.2.3")));
  EXPECT_TRUE(trusting.trusts(*IpAddress::parse("fd00::1")));
  EXPECT_FALSE(trusting.trusts(*IpAddress::parse("fd00::2")));
  EXPECT_FALSE(trusting.trusts(*IpAddress::parse("::ffff:10.1.2.3")));
  EXPECT_FALSE(listener("protocols: [http]").trusts(*IpAddress::parse("127.0.0.1")));
}

TEST(Listeners, AreToldWhatIsWrongWithTheirSenders) {
  EXPECT_EQ(report("proxy_protocol: {}"),
            "f:2:46: listeners[0].proxy_protocol: key \"from\" is missing\n");
  EXPECT_EQ(report("proxy_protocol: {from: [10.0.0.1/8]}"),
            "f:2:54: listeners[0].proxy_protocol.from[0]: found \"10.0.0.1/8\"; expected an "
            "address or a range without host bits, such as 10.0.0.0/8 or \"fd00::/8\"\n");
  EXPECT_EQ(report("proxy_protocol: {from: []}"),
            "f:2:53: listeners[0].proxy_protocol.from: the list is empty; name at least one, or "
            "leave the key out\n");
}

TEST(Listeners, ThatAreTransparentAreNothingElse) {
  EXPECT_EQ(listener("transparent: tproxy").transparent, Transparent::kTproxy);
  EXPECT_EQ(listener("transparent: redirect").transparent, Transparent::kRedirect);
  EXPECT_EQ(report("transparent: yes"),
            "f:2:43: listeners[0].transparent: found \"yes\"; expected redirect or tproxy\n");
  EXPECT_EQ(report("transparent: tproxy, protocols: [http]"),
            "f:2:62: listeners[0].protocols: has no meaning with transparent, where clients do not "
            "know that there is a proxy; remove it\n");
}

TEST(Rules, MayAnnounceTheirClientsWhereTheyAllow) {
  const auto with = [](std::string_view rule) {
    return parse(
        "listeners: [{address: 127.0.0.1:3128}]\npolicy: {rules: [" + std::string(rule) + "]}",
        "f");
  };
  const auto allowing = with("{allow: [\"a.example:25\"], proxy_protocol: v2}");
  ASSERT_TRUE(allowing);
  EXPECT_EQ((*allowing)->policy.rules[0].announce, policy::Announce::kV2);
  EXPECT_TRUE(
      with("{allow: [\"a.example:25\"], via: [\"http://p.example:3128\"], proxy_protocol: v1}"));
  const auto denying = with("{deny: [\"a.example:25\"], proxy_protocol: v1}");
  ASSERT_FALSE(denying);
  EXPECT_TRUE(describe(denying.error(), "f").contains("has no meaning in a rule that denies"));
}

}  // namespace
}  // namespace penstock::config
