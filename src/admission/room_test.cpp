#include "admission/room.h"

#include <gtest/gtest.h>

namespace penstock::admission {
namespace {

constexpr uint64_t kMiB = 1 << 20;

TEST(Room, IsThatOfTheDescriptorsWithoutALimitOfMemory) {
  const Room room = room_for({.descriptors = 20'000, .workers = 2});
  const DescriptorBudget budget = descriptor_budget(20'000, 2);
  EXPECT_EQ(room.seats, budget.seats);
  EXPECT_EQ(room.pipes_per_worker, budget.pipes_per_worker);
  EXPECT_FALSE(room.bounded_by_memory);
}

TEST(Room, IsBoundedByWhicheverIsLess) {
  const Room little = room_for({.descriptors = 20'000, .memory = 128 * kMiB, .workers = 2});
  EXPECT_TRUE(little.bounded_by_memory);
  EXPECT_EQ(little.seats, 2188u);
  EXPECT_EQ(little.pipes_per_worker, 11u);
  const Room much = room_for({.descriptors = 20'000, .memory = 16'384 * kMiB, .workers = 2});
  EXPECT_FALSE(much.bounded_by_memory);
  EXPECT_EQ(much.seats, descriptor_budget(20'000, 2).seats);
}

TEST(Room, TakesNeverMoreMemoryThanTheMarkAtWhichSetUpsAreRefused) {
  for (const uint64_t memory : {32 * kMiB, 64 * kMiB, 256 * kMiB, 4096 * kMiB}) {
    for (const uint64_t workers : {1u, 2u, 16u}) {
      const Room room = room_for({.descriptors = 1 << 20, .memory = memory, .workers = workers});
      EXPECT_GE(room.seats, 1u);
      EXPECT_GE(room.pipes_per_worker, 2u);
      if (room.pipes_per_worker == 2) continue;  // the least that there is
      EXPECT_LE(room.seats * kSeatBytes + room.pipes_per_worker * workers * kPipeBytes,
                memory / 10 * 9)
          << memory << " bytes, " << workers << " workers";
    }
  }
}

TEST(Room, GrowsWithMemory) {
  uint64_t before = 0;
  for (uint64_t memory = 32 * kMiB; memory <= 1024 * kMiB; memory += 32 * kMiB) {
    const Room room = room_for({.descriptors = 1 << 20, .memory = memory, .workers = 2});
    EXPECT_GT(room.seats, before);
    before = room.seats;
  }
}

}  // namespace
}  // namespace penstock::admission
