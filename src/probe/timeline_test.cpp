#include "probe/timeline.h"

#include <gtest/gtest.h>

#include <set>

namespace penstock::probe {
namespace {

constexpr Way kDirect{};
constexpr Way kConnect12{.proxied = true, .secure_proxy = false, .tls13 = false};
constexpr Way kConnect13{.proxied = true, .secure_proxy = false, .tls13 = true};
constexpr Way kSecure13{.proxied = true, .secure_proxy = true, .tls13 = true};

TEST(Phases, HaveWordsThatDiffer) {
  std::set<std::string_view> words, titles;
  for (int i = 0; i < kPhaseCount; ++i) {
    const PhaseFacts& row = facts(static_cast<Phase>(i));
    EXPECT_FALSE(row.word.empty() || row.title.empty() || row.from.empty() || row.to.empty()) << i;
    EXPECT_LE(row.title.size(), 20u) << row.title << " does not fit its column";
    words.insert(row.word);
    titles.insert(row.title);
  }
  EXPECT_EQ(words.size(), static_cast<size_t>(kPhaseCount));
  EXPECT_EQ(titles.size(), static_cast<size_t>(kPhaseCount));
}

TEST(Phases, BelongToTheirNames) {
  EXPECT_EQ(facts(Phase::kProxyLookup).word, "proxy_lookup");
  EXPECT_EQ(facts(Phase::kConnectSent).word, "connect_sent");
  EXPECT_EQ(facts(Phase::kEstablished).word, "tunnel_established");
  EXPECT_EQ(facts(Phase::kOriginTcp).word, "origin_tcp");
  EXPECT_EQ(facts(Phase::kEncrypted).word, "encrypted");
  EXPECT_EQ(facts(Phase::kDownload).word, "download");
}

TEST(Sight, OfTheProxyEndsWithTheServerHelloOfTls13) {
  EXPECT_TRUE(visible_to_proxy(Phase::kConnectSent, kConnect13));
  EXPECT_TRUE(visible_to_proxy(Phase::kServerHello, kConnect13));
  EXPECT_FALSE(visible_to_proxy(Phase::kHandshake, kConnect13));
  EXPECT_TRUE(visible_to_proxy(Phase::kHandshake, kConnect12)) << "the certificate is in the clear";
  for (const Way& way : {kConnect12, kConnect13, kSecure13}) {
    for (const Phase phase :
         {Phase::kEncrypted, Phase::kRequest, Phase::kFirstByte, Phase::kDownload}) {
      EXPECT_FALSE(visible_to_proxy(phase, way)) << facts(phase).word;
      EXPECT_TRUE(encrypted(phase, way)) << facts(phase).word;
    }
  }
}

TEST(Sight, OfTheProxyIsNothingWithoutOne) {
  for (int i = 0; i < kPhaseCount; ++i) {
    EXPECT_FALSE(visible_to_proxy(static_cast<Phase>(i), kDirect));
  }
}

TEST(Sight, OfAListenerIsWhatNoTlsCovers) {
  for (const Phase phase : {Phase::kConnectSent, Phase::kConnect, Phase::kEstablished,
                            Phase::kClientHello, Phase::kServerHello}) {
    EXPECT_FALSE(encrypted(phase, kConnect13)) << facts(phase).word;
    EXPECT_TRUE(encrypted(phase, kSecure13)) << facts(phase).word;
  }
  EXPECT_FALSE(encrypted(Phase::kHandshake, kConnect12));
  EXPECT_TRUE(encrypted(Phase::kHandshake, kConnect13));
  EXPECT_FALSE(encrypted(Phase::kProxyTls, kSecure13));
}

}  // namespace
}  // namespace penstock::probe
