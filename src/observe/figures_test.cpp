#include "observe/figures.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace penstock::observe {
namespace {

using namespace std::chrono_literals;

TEST(Figures, ShowLatenciesWithThreeDigitsAndTheUnitThatFits) {
  const std::vector<std::pair<Duration, const char*>> cases = {
      {0ns, "0 ns"},         {812ns, "812 ns"},      {1000ns, "1.00 us"},  {9994ns, "9.99 us"},
      {9996ns, "10.0 us"},   {81'240ns, "81.2 us"},  {99'960ns, "100 us"}, {812'499ns, "812 us"},
      {999'400ns, "999 us"}, {999'600ns, "1.00 ms"}, {1920us, "1.92 ms"},  {10'300ms, "10.3 s"},
      {8796s, "8796 s"},
  };
  for (const auto& [latency, text] : cases) EXPECT_EQ(latency_text(latency), text);
}

TEST(Figures, ShowBytesCountsAndRates) {
  EXPECT_EQ(bytes_text(1023), "1023 B");
  EXPECT_EQ(bytes_text(1536), "1.50 KiB");
  EXPECT_EQ(bytes_text(1024.0 * 1024 - 1), "1.00 MiB");
  EXPECT_EQ(bytes_text(3e15), "2728 TiB");
  EXPECT_EQ(count_text(0), "0");
  EXPECT_EQ(count_text(999), "999");
  EXPECT_EQ(count_text(1'234'567), "1,234,567");
  EXPECT_EQ(rate_text(15'234.4), "15,234");
  EXPECT_EQ(rate_text(12.34), "12.3");
  EXPECT_EQ(rate_text(0.25), "0.250");
  EXPECT_EQ(rate_text(0), "0.00");
}

TEST(Figures, ShowSecondsAsLatencies) {
  EXPECT_EQ(seconds_text(0), "0 ns");
  EXPECT_EQ(seconds_text(526.8e-6), "527 us");
  EXPECT_EQ(seconds_text(90), "90.0 s");
  EXPECT_EQ(seconds_text(1e300), "9000000000 s");
}

}  // namespace
}  // namespace penstock::observe
