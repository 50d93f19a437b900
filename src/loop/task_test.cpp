#include "loop/task.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "loop/loop.h"

namespace penstock::loop {
namespace {

Task<int> at_once(int value) {
  co_return value;
}

Task<int> sum_of_many(int count) {
  int sum = 0;
  for (int i = 0; i < count; ++i) sum += co_await at_once(1);
  co_return sum;
}

RootTask store(Task<int> task, int* out) {
  *out = co_await std::move(task);
}

TEST(Task, FinishesAMillionChildrenThatNeverWaitOnABoundedStack) {
  TaskSet tasks;
  int sum = 0;
  tasks.start(store(sum_of_many(1'000'000), &sum));
  EXPECT_EQ(sum, 1'000'000);
  EXPECT_TRUE(tasks.empty());
}

struct Witness {
  explicit Witness(int* alive) : alive_(alive) { ++*alive_; }
  Witness(const Witness&) = delete;
  ~Witness() { --*alive_; }
  int* alive_;
};

Task<void> wait_forever(Loop& loop, int* alive, int depth) {
  const Witness witness(alive);
  if (depth > 0) {
    co_await wait_forever(loop, alive, depth - 1);
  } else {
    co_await SleepUntil(loop, kNever);
  }
}

RootTask root(Loop& loop, int* alive, int depth) {
  const Witness witness(alive);
  co_await wait_forever(loop, alive, depth);
}

TEST(Task, DestroysEveryLocalOfASuspendedChainWhenItIsCancelled) {
  const int64_t frames = live_frames();
  Loop loop;
  int alive = 0;
  {
    TaskSet tasks;
    tasks.start(root(loop, &alive, 3));
    tasks.start(root(loop, &alive, 0));
    loop.turn(false);
    EXPECT_EQ(alive, 7);
    // Seven coroutines, but an optimiser may lay a child's frame into its parent's.
    EXPECT_GE(live_frames() - frames, 2);
    EXPECT_LE(live_frames() - frames, 7);
  }
  EXPECT_EQ(alive, 0);
  EXPECT_EQ(live_frames(), frames);
}

RootTask remember_self(Loop& loop, RootTask::promise_type** self, int* alive) {
  const Witness witness(alive);
  *self = &co_await ThisTask{};
  co_await SleepUntil(loop, kNever);
}

TEST(RootTask, EndsFromOutsideAndLeavesItsSet) {
  Loop loop;
  TaskSet tasks;
  RootTask::promise_type* self = nullptr;
  int alive = 0;
  tasks.start(remember_self(loop, &self, &alive));
  ASSERT_NE(self, nullptr);
  self->end();
  EXPECT_EQ(alive, 0);
  EXPECT_TRUE(tasks.empty());
}

TEST(RootTask, ThatNeverStartedIsDestroyedWithItsArguments) {
  auto shared = std::make_shared<int>(1);
  const auto body = [](std::shared_ptr<int> held) -> RootTask {
    (void)held;
    co_return;
  };
  {
    const RootTask task = body(shared);
  }
  EXPECT_EQ(shared.use_count(), 1);
}

// The forms that other compilers are known to miscompile: aggregate temporaries as arguments,
// conditional awaits, awaits in conditions.
struct Aggregate {
  std::string text;
  std::unique_ptr<int> number;
};
Task<size_t> length_of(Aggregate argument) {
  co_return argument.text.size() + (argument.number ? 1 : 0);
}
Task<size_t> forms() {
  size_t total = co_await length_of({"a string that is too long for the small buffer", nullptr});
  total +=
      co_await length_of(Aggregate{"another string that is long enough", std::make_unique<int>(1)});
  if (co_await length_of({"", nullptr}) == 0) total += 1000;
  total += total > 0 ? co_await length_of({"x", nullptr}) : co_await length_of({"xy", nullptr});
  co_return total;
}
RootTask store_size(size_t* out) {
  *out = co_await forms();
}

TEST(Compiler, KeepsCoroutineArgumentsAlive) {
  TaskSet tasks;
  size_t total = 0;
  tasks.start(store_size(&total));
  EXPECT_EQ(total, 46u + 35u + 1000u + 1u);
}

}  // namespace
}  // namespace penstock::loop
