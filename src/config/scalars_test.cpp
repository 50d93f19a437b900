#include "config/scalars.h"

#include <gtest/gtest.h>

#include <random>

#include "base/random.h"
#include "config/unicode.h"
#include "config/wording.h"

namespace penstock::config {
namespace {

using namespace std::chrono_literals;

TEST(Durations, AreReadWithTheirUnit) {
  EXPECT_EQ(parse_duration("250ms"), 250ms);
  EXPECT_EQ(parse_duration("10s"), 10s);
  EXPECT_EQ(parse_duration("15m"), 15min);
  EXPECT_EQ(parse_duration("1h"), 1h);
  EXPECT_EQ(parse_duration("0s"), 0s);
  EXPECT_EQ(parse_duration("8760h"), kDurationMax);
}

TEST(Durations, InAnyOtherFormAreRefused) {
  for (const char* text :
       {"", "10", "s", "1.5s", "3 s", " 3s", "3s ", "1m30s", "-1s", "+1s", "01s", "10S", "10sec",
        "1d", "5us", "8761h", "31536001s", "18446744073709551616ms", "99999999999999999999999s"}) {
    EXPECT_EQ(parse_duration(text), std::nullopt) << text;
  }
}

TEST(Sizes, AreReadWithTheirUnit) {
  EXPECT_EQ(parse_size("16384B"), 16384u);
  EXPECT_EQ(parse_size("16KiB"), 16384u);
  EXPECT_EQ(parse_size("1MiB"), 1048576u);
  EXPECT_EQ(parse_size("2GiB"), 2147483648u);
  EXPECT_EQ(parse_size("1048576GiB"), kSizeMax);
}

TEST(Sizes, InAnyOtherFormAreRefused) {
  for (const char* text : {"", "16384", "16KB", "16k", "16K", "1.5MiB", "16 KiB", "16kib", "KiB",
                           "-1B", "1048577GiB", "1TiB", "17179869184GiB"}) {
    EXPECT_EQ(parse_size(text), std::nullopt) << text;
  }
}

TEST(Rates, AreCountsOrSizesInAnInterval) {
  EXPECT_EQ(parse_count_rate("50/s"), (admission::Ration{50, 1s}));
  EXPECT_EQ(parse_count_rate("300/m"), (admission::Ration{300, 1min}));
  EXPECT_EQ(parse_count_rate("1000/h"), (admission::Ration{1000, 1h}));
  EXPECT_EQ(parse_count_rate("1000000000/d"), (admission::Ration{kCountMax, 24h}));
  EXPECT_EQ(parse_size_rate("10GiB/h"), (admission::Ration{uint64_t{10} << 30, 1h}));
  EXPECT_EQ(parse_size_rate("1B/d"), (admission::Ration{1, 24h}));
  for (const char* text : {"", "50", "/s", "50/", "0/s", "50/x", "50/sec", "50 /s", "50/ s", "-1/s",
                           "1.5/s", "050/s", "50/s/s", "1000000001/s", "10GiB/h"}) {
    EXPECT_EQ(parse_count_rate(text), std::nullopt) << text;
  }
  for (const char* text : {"", "10/h", "0B/h", "10GB/h", "10GiB", "10GiB/w", "1048577GiB/s"}) {
    EXPECT_EQ(parse_size_rate(text), std::nullopt) << text;
  }
  for (const auto per : std::initializer_list<Duration>{1s, 1min, 1h, 24h}) {
    EXPECT_EQ(parse_count_rate("7" + per_text(per)), (admission::Ration{7, per}));
  }
}

TEST(Bandwidths, AreSizesPerSecondOrNone) {
  EXPECT_EQ(parse_bandwidth("10MiB/s"), 10u << 20);
  EXPECT_EQ(parse_bandwidth("0"), 0u);
  for (const char* text : {"", "10MiB", "10", "/s", "10MiB/m", "10Mbit/s", "10MiB/s/s"}) {
    EXPECT_EQ(parse_bandwidth(text), std::nullopt) << text;
  }
}

TEST(ScalarTexts, AreReadBackAsTheSameValue) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  for (int round = 0; round < 2000; ++round) {
    const auto millis = std::chrono::milliseconds(random.below(1 << (1 + random.below(30))));
    EXPECT_EQ(parse_duration(duration_text(millis)), millis);
    const uint64_t bytes = random.below(uint64_t{1} << (1 + random.below(50)));
    EXPECT_EQ(parse_size(size_text(bytes)), bytes);
  }
  EXPECT_EQ(duration_text(90s), "90s");
  EXPECT_EQ(duration_text(2h), "2h");
  EXPECT_EQ(size_text(16384), "16KiB");
}

TEST(Wording, FindsTheKeyThatWasMeant) {
  constexpr std::string_view kKeys[] = {"tunnels", "tunnels_per_client", "pending", "ech", "tls"};
  EXPECT_EQ(nearest("tunels", kKeys), "tunnels");
  EXPECT_EQ(nearest("tunnesl", kKeys), "tunnels");
  EXPECT_EQ(nearest("Tunnels", kKeys), "tunnels");
  EXPECT_EQ(nearest("tunnels_per_clients", kKeys), "tunnels_per_client");
  EXPECT_EQ(nearest("ecg", kKeys), "ech");
  EXPECT_EQ(nearest("els", kKeys), "tls");
  EXPECT_EQ(nearest("xyz", kKeys), "");
  EXPECT_EQ(nearest("", kKeys), "");
  EXPECT_EQ(nearest(std::string(100000, 'x'), kKeys), "");
}

TEST(Wording, QuotesOnOneLineAndCutsBetweenCodePoints) {
  EXPECT_EQ(quote("a\nb\x01"), "\"a\\u000ab\\u0001\"");
  EXPECT_EQ(quote(std::string(100, 'x')), "\"" + std::string(60, 'x') + "...\"");
  EXPECT_EQ(quote(std::string(59, 'x') + "\xc3\xa9yyy"), "\"" + std::string(59, 'x') + "...\"");
}

TEST(Wording, ListsWords) {
  constexpr std::string_view kWords[] = {"a", "b", "c"};
  EXPECT_EQ(alternatives(kWords), "a, b or c");
  EXPECT_EQ(listed(kWords), "a, b and c");
  EXPECT_EQ(listed(std::span(kWords).first(1)), "a");
}

TEST(Unicode, AcceptsWhatAPersonCanRead) {
  EXPECT_FALSE(find_unprintable(""));
  EXPECT_FALSE(find_unprintable("\xef\xbb\xbf# a\tb\r\n\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"));
}

TEST(Unicode, FindsBytesThatAreNotUtf8AndCharactersThatHide) {
  for (const std::string_view bad :
       {std::string_view("\0", 1), std::string_view("\x04"), std::string_view("\x1b[0m"),
        std::string_view("\x7f"), std::string_view("\xc2\x85"), std::string_view("\xc0\xaf"),
        std::string_view("\xe0\x80\xaf"), std::string_view("\xed\xa0\x80"),
        std::string_view("\xf4\x90\x80\x80"), std::string_view("\xf5"), std::string_view("\x80"),
        std::string_view("\xe2\x82"), std::string_view("\xe2\x82x"),
        std::string_view("\xe2\x80\xae"), std::string_view("\xe2\x81\xa6"),
        std::string_view("\xef\xbb\xbf")}) {
    const auto place = find_unprintable("one\n\xc3\xa9 " + std::string(bad));
    ASSERT_TRUE(place) << quote(bad);
    EXPECT_EQ(place->line, 2) << quote(bad);
    EXPECT_EQ(place->column, 4) << quote(bad);
  }
}

}  // namespace
}  // namespace penstock::config
