#include "identity/key_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "identity/rig_test.h"

namespace penstock::identity {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class AKeySource : public testing::Test {
 protected:
  static fetch::Outcome reply(int status, std::string body, const char* cache_control = nullptr) {
    fetch::Reply out{.status = status, .body = std::move(body), .fields = {}};
    if (cache_control != nullptr) out.fields.emplace_back("cache-control", cache_control);
    return out;
  }
  fetch::Outcome good(const char* cache_control = nullptr) const {
    return reply(200, set_of({key_.jwk()}), cache_control);
  }
  // How long until the next fetch, after this outcome of one.
  Duration pause_after(const fetch::Outcome& outcome) {
    source_.begin();
    source_.end(outcome, now_);
    return source_.due() - now_;
  }
  std::string news() {
    const auto said = source_.news();
    return said ? (said->good ? "" : "! ") + said->line : "";
  }

  const SigningKey key_ = SigningKey::ed25519("a");
  const Instant now_ = Clock::now();
  KeySource source_{{"https://issuer.example/keys", "", 15min, 5s}};
};

TEST_F(AKeySource, IsDueAtOnceAndThenAsOftenAsTheReplySaysWithinBounds) {
  EXPECT_LE(source_.due(), now_);
  EXPECT_EQ(source_.keys(), nullptr);
  EXPECT_EQ(pause_after(good()), 15min);
  EXPECT_EQ(source_.keys()->set.size(), 1u);
  EXPECT_EQ(news(), "https://issuer.example/keys was read: 1 keys");
  EXPECT_EQ(pause_after(good("public, max-age=300")), 5min);
  EXPECT_EQ(pause_after(good("max-age=1")), 1min);
  EXPECT_EQ(pause_after(good("no-store")), 1min);
  EXPECT_EQ(pause_after(good("max-age=99999999")), 15min);
  EXPECT_EQ(news(), "") << "nothing has changed";
  source_.begin();
  EXPECT_EQ(source_.due(), kNever) << "one fetch at a time";
}

TEST_F(AKeySource, KeepsWhatItHasWhereAFetchFails) {
  for (const Duration expected : {1s, 2s, 4s, 8s, 16s, 32s, 60s, 60s}) {
    EXPECT_EQ(pause_after(std::unexpected("no route")), expected);
  }
  EXPECT_EQ(
      news(),
      "! https://issuer.example/keys: no route; there are no keys yet, and no token is taken");
  EXPECT_EQ(pause_after(good()), 15min);
  EXPECT_EQ(news(), "https://issuer.example/keys was read: 1 keys");
  const KeysPtr keys = source_.keys();
  EXPECT_EQ(pause_after(reply(404, "")), 1s) << "counted anew";
  EXPECT_EQ(news(),
            "! https://issuer.example/keys: it answers 404; the keys in force stay as they were");
  EXPECT_EQ(pause_after(reply(302, "")), 2s);
  EXPECT_THAT(news(), HasSubstr("it redirects (302), which is not followed"));
  EXPECT_EQ(pause_after(reply(200, R"({"keys": []})")), 4s);
  EXPECT_THAT(news(), HasSubstr("what it answers has no key that is taken"));
  EXPECT_EQ(source_.keys(), keys);
  pause_after(good());
  EXPECT_EQ(news(), "https://issuer.example/keys was read: 1 keys, as before");
  const KeySource::Facts facts = source_.facts(now_ + 90s);
  EXPECT_EQ(facts.age, 90s);
  EXPECT_EQ(facts.keys, 1u);
  EXPECT_EQ(facts.fetched, 2u);
  EXPECT_EQ(facts.failed, 11u);
}

TEST_F(AKeySource, FetchesForTokensWithUnknownKeysAndNotForEachOfThem) {
  EXPECT_TRUE(source_.awaits_more(now_)) << "the first fetch is due";
  pause_after(good());
  EXPECT_TRUE(source_.awaits_more(now_));
  EXPECT_EQ(source_.due(), now_);
  EXPECT_TRUE(source_.awaits_more(now_)) << "that one";
  source_.begin();
  EXPECT_TRUE(source_.awaits_more(now_)) << "and while it runs";
  source_.end(good(), now_);
  EXPECT_FALSE(source_.awaits_more(now_ + 9s));
  EXPECT_EQ(source_.due(), now_ + 15min);
  EXPECT_TRUE(source_.awaits_more(now_ + 10s));
  EXPECT_EQ(source_.due(), now_ + 10s);
}

TEST_F(AKeySource, AsksForAsMuchAsAKeySetMayBe) {
  const fetch::Request request = source_.begin();
  EXPECT_EQ(request.bytes_max, kKeySetBytesMax);
  EXPECT_EQ(request.timeout, 5s);
  EXPECT_TRUE(request.fields.empty());
}

}  // namespace
}  // namespace penstock::identity
