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

class AlongsideChild : public testing::Test {
 protected:
  ~AlongsideChild() override { EXPECT_EQ(live_frames(), frames_); }

  // An owner and its child, which goes on when `event_` is told.
  RootTask own_child(int value) {
    return own(loop_, after(event_, value, &log_, &alive_), &log_, &result_);
  }

  const int64_t frames_ = live_frames();
  Loop loop_;
  Event event_{loop_};
  Log log_;
  int result_ = 0;
  int alive_ = 0;  // children
};

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

TEST_F(AlongsideChild, WakesItsOwnerThroughTheLoopAndNotFromInsideTheChild) {
  TaskSet tasks;
  tasks.start(own_child(8));
  loop_.turn(false);
  EXPECT_EQ(log_, (Log{"pending"}));
  event_.notify_all();
  EXPECT_EQ(log_, (Log{"pending"}));
  loop_.turn(false);  // resumes the child, which readies the owner for the same turn
  EXPECT_EQ(log_, (Log{"pending", "child", "owner"}));
  EXPECT_EQ(alive_, 0) << "a child that is done has given its locals back";
  EXPECT_EQ(result_, 8);
  EXPECT_TRUE(tasks.empty());
}

TEST_F(AlongsideChild, IsCancelledWithItsOwnerWhilePending) {
  {
    TaskSet tasks;
    tasks.start(own_child(9));
    loop_.turn(false);
    EXPECT_EQ(alive_, 1);
  }
  EXPECT_EQ(alive_, 0);
  EXPECT_EQ(live_frames(), frames_);
  event_.notify_all();
  loop_.turn(false);
  EXPECT_EQ(log_, (Log{"pending"}));
  EXPECT_EQ(result_, 0);
}

RootTask end_at(Event& event, TaskSet* others) {
  co_await event.wait();
  others->end_all();
}

TEST_F(AlongsideChild, LeavesNothingBehindWhenTheOwnerIsCancelledAfterTheChildEnded) {
  TaskSet tasks;
  TaskSet killers;
  tasks.start(own_child(9));
  killers.start(end_at(event_, &tasks));
  event_.notify_all();
  loop_.turn(false);  // the child, which readies the owner, the killer, and then nobody
  EXPECT_EQ(log_.back(), "child");
  EXPECT_TRUE(killers.empty());
  EXPECT_EQ(live_frames(), frames_);
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
