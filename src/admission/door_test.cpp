#include "admission/door.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "admission/descriptors.h"

namespace penstock::admission {
namespace {

TEST(Budget, NeverHandsOutMoreThanItsLimitAndTakesEverythingBack) {
  Budget budget(3);
  {
    std::vector<Budget::Share> shares;
    for (int i = 0; i < 3; ++i) {
      shares.push_back(budget.take());
      EXPECT_TRUE(shares.back());
    }
    EXPECT_FALSE(budget.take());
    EXPECT_EQ(budget.in_use(), 3u);
    shares.pop_back();
    EXPECT_TRUE(budget.take());
  }
  EXPECT_EQ(budget.in_use(), 0u);
}

TEST(Budget, MovedShareIsGivenBackOnce) {
  Budget budget(1);
  Budget::Share first = budget.take();
  Budget::Share second = std::move(first);
  EXPECT_TRUE(second);
  Budget::Share third;
  third = std::move(second);
  EXPECT_EQ(budget.in_use(), 1u);
}

TEST(Budget, HoldsItsLimitWhenThreadsRace) {
  Budget budget(10);
  std::atomic<int> holders{0}, most{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20'000; ++i) {
        std::vector<Budget::Share> shares;
        for (int n = 0; n < 4; ++n) {
          auto share = budget.take();
          if (!share) continue;
          shares.push_back(std::move(share));
          const int now = ++holders;
          for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
          }
        }
        holders -= static_cast<int>(shares.size());
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_LE(most, 10);
  EXPECT_EQ(budget.in_use(), 0u);
}

TEST(DescriptorBudget, LeavesRoomForItselfAndNeverAnswersZero) {
  for (uint64_t nofile : {0u, 64u, 256u, 1024u, 20'000u, 1'048'576u}) {
    for (uint64_t workers : {1u, 2u, 64u}) {
      const auto budget = descriptor_budget(nofile, workers);
      EXPECT_GE(budget.seats, 1u);
      if (nofile >= 1024 || workers == 1) {
        EXPECT_LE(budget.seats * 2 + budget.pipes_per_worker * 2 * workers,
                  std::max<uint64_t>(nofile, 6))
            << nofile;
      }
    }
  }
  EXPECT_GE(descriptor_budget(20'000, 2).seats, 9'000u);
  EXPECT_GE(descriptor_budget(256, 2).seats, 80u);
}

}  // namespace
}  // namespace penstock::admission
