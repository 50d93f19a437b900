#include "observe/line_ring.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "base/random.h"

namespace penstock::observe {
namespace {

std::string content(const LineRing& ring) {
  const auto [first, second] = ring.unread();
  return std::string(first) + std::string(second);
}

TEST(LineRing, TakesALineWholeOrNotAtAll) {
  LineRing ring(8);
  EXPECT_TRUE(ring.push("abc"));
  EXPECT_FALSE(ring.push("defgh"));
  EXPECT_EQ(ring.dropped(), 1u);
  EXPECT_TRUE(ring.push("def"));
  EXPECT_EQ(content(ring), "abc\ndef\n");
}

TEST(LineRing, RefusesALineLargerThanItself) {
  LineRing ring(8);
  EXPECT_FALSE(ring.push("12345678"));
  EXPECT_TRUE(ring.push("1234567"));
}

TEST(LineRing, LetsNobodyForgeALine) {
  LineRing ring(64);
  ring.push("GET\n{\"forged\":1}\n");
  EXPECT_EQ(content(ring), "GET {\"forged\":1} \n");
}

TEST(LineRing, SaysWhenItIsFullerThanHalf) {
  LineRing ring(8);
  ring.push("123");
  EXPECT_FALSE(ring.fuller_than_half());
  ring.push("");
  EXPECT_TRUE(ring.fuller_than_half());
}

TEST(LineRing, KeepsOrderAndBytesThroughManyTurnsOfTheCircle) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  Random random(seed);
  LineRing ring(64);
  std::string expected;
  std::string found;
  for (int i = 0; i < 20'000; ++i) {
    std::string line(random.below(40), static_cast<char>('a' + i % 26));
    if (random.below(2) == 0) {
      if (ring.push(line)) expected += line + "\n";
    } else {
      const std::string waiting = content(ring);
      const size_t taken = random.below(waiting.size() + 1);
      found += waiting.substr(0, taken);
      ring.consume(taken);
    }
  }
  found += content(ring);
  EXPECT_EQ(found, expected);
  EXPECT_GT(ring.dropped(), 0u);
}

}  // namespace
}  // namespace penstock::observe
