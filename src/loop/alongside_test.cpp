#include "loop/alongside.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "loop/loop.h"

namespace penstock::loop {
namespace {

using Log = std::vector<std::string>;

struct Witness {
  explicit Witness(int* alive) : alive_(alive) { ++*alive_; }
  Witness(const Witness&) = delete;
  ~Witness() { --*alive_; }
  int* alive_;
};

Task<std::unique_ptr<int>> at_once(int value) {
  co_return std::make_unique<int>(value);
}

Task<std::unique_ptr<int>> after(Event& event, int value, Log* log, int* alive) {
  const Witness witness(alive);
  co_await event.wait();
  log->push_back("child");
  co_return std::make_unique<int>(value);
}

RootTask own(Loop& loop, Task<std::unique_ptr<int>> child, Log* log, int* result) {
  Alongside<std::unique_ptr<int>> work(loop, std::move(child));
  Timer timer(loop);
  log->push_back(work.done() ? "done" : "pending");
  while (!work.done()) co_await Wait(loop).until(timer).until_done(work);
  log->push_back("owner");
  *result = *work.take();
}

TEST(Alongside, HoldsTheResultOfAChildThatEndsAtOnce) {
  Loop loop;
  TaskSet tasks;
  Log log;
  int result = 0;
  const int64_t frames = live_frames();
  tasks.start(own(loop, at_once(7), &log, &result));
  EXPECT_EQ(result, 7);
  EXPECT_EQ(log, (Log{"done", "owner"}));
  EXPECT_TRUE(tasks.empty());
  EXPECT_EQ(live_frames(), frames);
}

TEST(Alongside, WakesItsOwnerThroughTheLoopAndNotFromInsideTheChild) {
  Loop loop;
  TaskSet tasks;
  Event event(loop);
  Log log;
  int result = 0, alive = 0;
  tasks.start(own(loop, after(event, 8, &log, &alive), &log, &result));
  loop.turn(false);
  EXPECT_EQ(log, (Log{"pending"}));
  event.notify_all();
  EXPECT_EQ(log, (Log{"pending"}));
  loop.turn(false);  // resumes the child, which readies the owner for the turn after
  EXPECT_EQ(log, (Log{"pending", "child"}));
  EXPECT_EQ(alive, 0) << "a child that is done has given its locals back";
  loop.turn(false);
  EXPECT_EQ(log, (Log{"pending", "child", "owner"}));
  EXPECT_EQ(result, 8);
  EXPECT_TRUE(tasks.empty());
}

TEST(Alongside, CancelsAPendingChildWithItsOwner) {
  Loop loop;
  Event event(loop);
  Log log;
  int result = 0, alive = 0;
  const int64_t frames = live_frames();
  {
    TaskSet tasks;
    tasks.start(own(loop, after(event, 9, &log, &alive), &log, &result));
    loop.turn(false);
    EXPECT_EQ(alive, 1);
  }
  EXPECT_EQ(alive, 0);
  EXPECT_EQ(live_frames(), frames);
  event.notify_all();
  loop.turn(false);
  EXPECT_EQ(log, (Log{"pending"}));
  EXPECT_EQ(result, 0);
}

TEST(Alongside, LeavesNothingBehindWhenTheOwnerIsCancelledAfterTheChildEnded) {
  Loop loop;
  Event event(loop);
  Log log;
  int result = 0, alive = 0;
  const int64_t frames = live_frames();
  {
    TaskSet tasks;
    tasks.start(own(loop, after(event, 9, &log, &alive), &log, &result));
    event.notify_all();
    loop.turn(false);  // the owner is ready now, and is destroyed before it goes on
    EXPECT_EQ(log.back(), "child");
  }
  loop.turn(false);
  EXPECT_EQ(log.back(), "child");
  EXPECT_EQ(live_frames(), frames);
}

Task<void> nothing(Event& event) {
  co_await event.wait();
}

RootTask give_up(Loop& loop, Event& event, bool* abandoned) {
  {
    Alongside<void> work(loop, nothing(event));
    co_await Wait(loop).soon();
    EXPECT_FALSE(work.done());
  }
  Alongside<void> work(loop, nothing(event));
  event.notify_all();
  co_await Wait(loop).until_done(work);
  work.take();
  *abandoned = true;
}

TEST(Alongside, MayBeAbandonedAndStartedAgainWithinOneOwner) {
  Loop loop;
  TaskSet tasks;
  Event event(loop);
  bool ended = false;
  const int64_t frames = live_frames();
  tasks.start(give_up(loop, event, &ended));
  for (int i = 0; i < 4 && !ended; ++i) loop.turn(false);
  EXPECT_TRUE(ended);
  EXPECT_EQ(live_frames(), frames);
}

TEST(Alongside, DestroyedBeforeTheWaitThatWatchesItLeavesThatWaitAlone) {
  Loop loop;
  Event event(loop);
  Waiter waiter(loop);
  {
    Alongside<void> work(loop, nothing(event));
    waiter.watch(work);
  }
  waiter.detach();  // would touch the dead Alongside
  EXPECT_FALSE(waiter.linked());
}

}  // namespace
}  // namespace penstock::loop
