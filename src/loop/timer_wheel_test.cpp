#include "loop/timer_wheel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include "base/random.h"

namespace penstock::loop {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

struct Numbered : WheelEntry {
  explicit Numbered(int n) : number(n) {}
  int number;
};

std::vector<int> fired_by(TimerWheel& wheel, uint64_t now) {
  std::vector<int> fired;
  wheel.advance(now,
                [&](WheelEntry& entry) { fired.push_back(static_cast<Numbered&>(entry).number); });
  return fired;
}

TEST(TimerWheel, FiresAtItsTickAndNotBefore) {
  // Around every boundary where an entry comes down a level.
  for (const uint64_t when : {1ull, 63ull, 64ull, 65ull, 4095ull, 4096ull, 4097ull, 262144ull,
                              16777216ull, 1ull << 30, (1ull << 36) + 1, 1ull << 40}) {
    TimerWheel wheel;
    Numbered entry(1);
    wheel.insert(entry, when);
    EXPECT_THAT(fired_by(wheel, when - 1), IsEmpty()) << when;
    EXPECT_THAT(fired_by(wheel, when), ElementsAre(1)) << when;
    EXPECT_FALSE(entry.linked());
  }
}

TEST(TimerWheel, FiresInTheOrderOfTheTicksAfterALongSleep) {
  TimerWheel wheel;
  Numbered a(1), b(2), c(3), d(4);
  wheel.insert(d, 1'000'000);
  wheel.insert(b, 70);
  wheel.insert(c, 5000);
  wheel.insert(a, 3);
  EXPECT_THAT(fired_by(wheel, 2'000'000), ElementsAre(1, 2, 3, 4));
}

TEST(TimerWheel, FiresAPassedTickAtTheNext) {
  TimerWheel wheel;
  EXPECT_THAT(fired_by(wheel, 500), IsEmpty());
  Numbered entry(1);
  wheel.insert(entry, 100);
  EXPECT_EQ(wheel.next(), 501u);
  EXPECT_THAT(fired_by(wheel, 501), ElementsAre(1));
}

TEST(TimerWheel, ForgetsEntriesThatUnlinkOrDie) {
  TimerWheel wheel;
  Numbered unlinked(1), moved(2);
  wheel.insert(unlinked, 10);
  wheel.insert(moved, 10);
  {
    Numbered dead(3);
    wheel.insert(dead, 10);
  }
  unlinked.unlink();
  wheel.insert(moved, 5000);
  EXPECT_THAT(fired_by(wheel, 4999), IsEmpty());
  EXPECT_THAT(fired_by(wheel, 5000), ElementsAre(2));
  EXPECT_EQ(wheel.next(), std::nullopt);
}

TEST(TimerWheel, LetsAnEntryDestroyItselfAndOthersThatAreDueWithIt) {
  TimerWheel wheel;
  std::vector<std::unique_ptr<Numbered>> entries;
  for (int i = 0; i < 6; ++i) {
    entries.push_back(std::make_unique<Numbered>(i));
    wheel.insert(*entries.back(), 10);
  }
  std::vector<int> fired;
  wheel.advance(10, [&](WheelEntry& entry) {
    const int number = static_cast<Numbered&>(entry).number;
    fired.push_back(number);
    entries[static_cast<size_t>(number)].reset();
    entries[static_cast<size_t>(number) + 1].reset();  // due as well, and next in line
  });
  EXPECT_THAT(fired, ElementsAre(0, 2, 4));
}

TEST(TimerWheel, LetsAnEntryInsertItselfAgainWhileItFires) {
  TimerWheel wheel;
  Numbered entry(1);
  wheel.insert(entry, 10);
  int count = 0;
  const auto again = [&](WheelEntry& fired) {
    ++count;
    wheel.insert(fired, wheel.now());
  };
  wheel.advance(10, again);
  EXPECT_EQ(count, 1) << "an entry for this very tick waits for the next, or advance() never ends";
  wheel.advance(11, again);
  EXPECT_EQ(count, 2);
}

// The wheel against the obvious implementation: a sorted map.
class Model {
 public:
  explicit Model(uint64_t seed) : random_(seed) {}

  void step() {
    switch (random_.below(8)) {
      case 0:
      case 1:
      case 2: insert(); break;
      case 3: cancel(); break;
      case 4: advance(wheel_.now() + random_.below(3)); break;
      case 5: advance(wheel_.now() + random_.below(uint64_t{1} << random_.below(34))); break;
      default: advance(std::max(wheel_.next().value_or(0), wheel_.now())); break;
    }
    check_next();
  }

 private:
  void insert() {
    const size_t number = random_.below(kEntries);
    forget(number);
    // From a tick that has passed to deadlines of days; far ones exercise every level.
    const uint64_t ahead = random_.below(uint64_t{1} << random_.below(41));
    const uint64_t when = wheel_.now() + ahead - std::min(wheel_.now(), random_.below(4));
    wheel_.insert(entries_[number], when);
    due_.emplace(std::max(when, wheel_.now() + 1), number);
  }

  void cancel() {
    const size_t number = random_.below(kEntries);
    forget(number);
    entries_[number].unlink();
  }

  void advance(uint64_t now) {
    std::vector<std::pair<uint64_t, size_t>> fired;
    wheel_.advance(now, [&](WheelEntry& entry) {
      const auto number = static_cast<Entry&>(entry).number;
      const auto found = find(number);
      ASSERT_NE(found, due_.end()) << "fired without being due or twice";
      fired.emplace_back(found->first, number);
      due_.erase(found);
    });
    for (const auto& [when, number] : fired) EXPECT_LE(when, now) << "early";
    EXPECT_TRUE(std::ranges::is_sorted(fired, {}, [](const auto& one) { return one.first; }));
    if (!due_.empty()) EXPECT_GT(due_.begin()->first, now) << "late";
  }

  void check_next() {
    const auto next = wheel_.next();
    ASSERT_EQ(next.has_value(), !due_.empty());
    if (!next) return;
    EXPECT_GT(*next, wheel_.now()) << "would not let the loop sleep";
    EXPECT_LE(*next, due_.begin()->first) << "would let it sleep too long";
  }

  std::multimap<uint64_t, size_t>::iterator find(size_t number) {
    return std::ranges::find_if(due_, [=](const auto& one) { return one.second == number; });
  }
  void forget(size_t number) {
    if (const auto found = find(number); found != due_.end()) due_.erase(found);
  }

  static constexpr size_t kEntries = 40;
  struct Entry : WheelEntry {
    size_t number = 0;
  };
  struct Entries : std::array<Entry, kEntries> {
    Entries() {
      for (size_t i = 0; i < kEntries; ++i) (*this)[i].number = i;
    }
  };

  Random random_;
  TimerWheel wheel_;
  Entries entries_;
  std::multimap<uint64_t, size_t> due_;
};

TEST(TimerWheel, AgreesWithASortedMapOnRandomInsertsCancelsAndAdvances) {
  std::random_device entropy;
  for (int round = 0; round < 20 && !testing::Test::HasFailure(); ++round) {
    const uint64_t seed = entropy();
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Model model(seed);
    for (int i = 0; i < 3000 && !testing::Test::HasFailure(); ++i) model.step();
  }
}

}  // namespace
}  // namespace penstock::loop
