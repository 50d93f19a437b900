#include "loop/loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "loop/rig_test.h"
#include "loop/task.h"
#include "sys/fd.h"

namespace penstock::loop {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;

using Log = std::vector<std::string>;

// Two connected descriptors: `near` is watched, `far` plays the peer.
struct Pair {
  Pair() {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    near = sys::Fd(ends[0]);
    far = sys::Fd(ends[1]);
  }
  void send_from_far() const { EXPECT_EQ(::write(far.get(), "x", 1), 1); }
  sys::Fd near;
  sys::Fd far;
};

TEST(Source, RemembersReadinessUntilItIsCleared) {
  Loop loop;
  const Pair pair;
  Source source(loop, pair.near.get());
  loop.turn(false);
  EXPECT_EQ(source.ready(), kWritable);
  pair.send_from_far();
  loop.turn(false);
  loop.turn(false);
  EXPECT_EQ(source.ready(), kReadable | kWritable);
  source.clear(kReadable);
  loop.turn(false);
  EXPECT_FALSE(source.ready(kReadable)) << "an edge is told once";
  pair.send_from_far();
  loop.turn(false);
  EXPECT_TRUE(source.ready(kReadable));
}

TEST(Source, IsToldAgainWhenItIsLevelTriggered) {
  Loop loop;
  const Pair pair;
  Source source(loop, pair.near.get(), Source::Trigger::kLevel, kReadable);
  pair.send_from_far();
  loop.turn(false);
  EXPECT_EQ(source.ready(), kReadable) << "and never writable: that was not asked for";
  source.clear(kReadable);
  loop.turn(false);
  EXPECT_TRUE(source.ready(kReadable));
}

TEST(Source, StillGetsEventsAfterItWasMoved) {
  Loop loop;
  const Pair pair;
  Source first(loop, pair.near.get());
  loop.turn(false);
  Source second(std::move(first));
  EXPECT_TRUE(second.ready(kWritable));
  Source third;
  third = std::move(second);
  pair.send_from_far();
  loop.turn(false);
  EXPECT_TRUE(third.ready(kReadable));
  EXPECT_FALSE(first.ready(kReadable));
  EXPECT_FALSE(second.ready(kReadable));
}

TEST(Source, HearsNothingOfTheDescriptorThatHadItsSlotBefore) {
  Loop loop;
  Pair old;
  Source before(loop, old.near.get());
  // A second reference keeps the registration alive in the kernel beyond the close.
  const sys::Fd kept(::dup(old.near.get()));
  loop.turn(false);
  before.forget();
  const int number = old.near.get();
  old.near.reset();
  const Pair fresh;
  ASSERT_EQ(fresh.near.get(), number);
  Source after(loop, fresh.near.get());
  loop.turn(false);
  old.send_from_far();
  loop.turn(false);
  EXPECT_EQ(after.ready(), kWritable);
  fresh.send_from_far();
  loop.turn(false);
  EXPECT_TRUE(after.ready(kReadable));
}

TEST(Source, WithoutADescriptorIsReadyForWhatItsOwnerAnnounces) {
  Loop loop;
  Source source(loop);
  loop.turn(false);
  EXPECT_EQ(source.ready(), 0);
  source.announce(kReadable);
  EXPECT_EQ(source.ready(), kReadable);
  Source moved(std::move(source));
  EXPECT_TRUE(moved.ready(kReadable));
  moved.clear(kReadable);
  moved.announce(kWritable);
  EXPECT_EQ(moved.ready(), kWritable);
  moved.forget();
}

RootTask await_either(Loop& loop, Source& a, Source& b, Log* log) {
  co_await Wait(loop).on(a, kReadable).on(b, kReadable);
  log->push_back(std::string(a.ready(kReadable) ? "a" : "") + (b.ready(kReadable) ? "b" : ""));
}

// Two descriptors, and a task that waits for either of them to become readable.
struct Either {
  Either() { tasks.start(await_either(loop, at_a, at_b, &log)); }

  Loop loop;
  const Pair a, b;
  Source at_a{loop, a.near.get()}, at_b{loop, b.near.get()};
  Log log;
  TaskSet tasks;
};

TEST(Wait, ForASourceWithoutADescriptorEndsInTheTurnOfTheAnnouncement) {
  Loop loop;
  Source a(loop);
  Source b(loop);
  Log log;
  TaskSet tasks;
  tasks.start(await_either(loop, a, b, &log));
  b.announce(kWritable);
  loop.turn(false);
  EXPECT_THAT(log, IsEmpty()) << "being writable is not what it waits for";
  b.announce(kReadable);
  loop.turn(false);
  EXPECT_THAT(log, ElementsAre("b"));
  tasks.start(await_either(loop, a, b, &log));
  EXPECT_THAT(log, ElementsAre("b", "b")) << "it is ready until somebody clears it";
  b.clear(kReadable);
  tasks.start(await_either(loop, a, b, &log));
  a.announce(kHangup);
  loop.turn(false);
  EXPECT_THAT(log, ElementsAre("b", "b", "")) << "a hang-up is heard in whichever direction";
}

TEST(Wait, EndsWhenEitherOfTwoSourcesIsReady) {
  Either either;
  either.loop.turn(false);
  EXPECT_THAT(either.log, IsEmpty()) << "being writable is not what it waits for";
  either.b.send_from_far();
  either.loop.turn(false);
  EXPECT_THAT(either.log, ElementsAre("b"));
  EXPECT_TRUE(either.tasks.empty());
}

TEST(Wait, GoesOnOnceWhenBothAreReadyInOneTurn) {
  Either either;
  either.a.send_from_far();
  either.b.send_from_far();
  either.loop.turn(false);
  EXPECT_THAT(either.log, ElementsAre("ab"));
  either.tasks.start(await_either(either.loop, either.at_a, either.at_b, &either.log));
  EXPECT_THAT(either.log, ElementsAre("ab", "ab")) << "what is ready already is not waited for";
}

RootTask await_writable(Loop& loop, Source& source, Log* log) {
  while (!source.ready(kWritable)) {
    co_await Wait(loop).on(source, kWritable);
    log->push_back(source.ready(kHangup) ? "hang-up" : "writable");
  }
}

TEST(Wait, HearsOfAHangUpWhicheverDirectionItWaitsFor) {
  Loop loop;
  Pair pair;
  const std::array<char, 4096> bytes{};
  while (::write(pair.near.get(), bytes.data(), bytes.size()) > 0) {
  }
  Source source(loop, pair.near.get());
  TaskSet tasks;
  Log log;
  tasks.start(await_writable(loop, source, &log));
  loop.turn(false);
  EXPECT_THAT(log, IsEmpty());
  ::shutdown(pair.far.get(), SHUT_WR);  // EPOLLRDHUP alone: the source does not become writable
  loop.turn(false);
  EXPECT_THAT(log, ElementsAre("hang-up"));
}

RootTask await_readable(Loop& loop, Source& source, Log* log) {
  co_await Wait(loop).on(source, kReadable);
  log->push_back("readable");
}

TEST(Wait, ForTheOneDirectionSilencesArrivalsInTheOther) {
  Loop loop;
  Pair pair;
  const std::array<char, 4096> bytes{};
  while (::write(pair.near.get(), bytes.data(), bytes.size()) > 0) {
  }
  Source source(loop, pair.near.get());
  loop.turn(false);
  TaskSet tasks;
  Log log;
  tasks.start(await_writable(loop, source, &log));
  for (int i = 0; i < 3; ++i) {
    pair.send_from_far();
    loop.turn(false);
  }
  EXPECT_TRUE(source.ready(kReadable)) << "known since the first of them";
  source.clear(kReadable);
  pair.send_from_far();
  loop.turn(false);
  EXPECT_FALSE(source.ready(kReadable)) << "the kernel was told to keep it to itself";
  std::array<char, 4096> taken;
  while (::read(pair.far.get(), taken.data(), taken.size()) > 0) {
  }
  loop.turn(false);
  EXPECT_THAT(log, ElementsAre("writable")) << "what it waits for still comes";
  Log reader;
  tasks.start(await_readable(loop, source, &reader));
  drive(loop, [&] { return !reader.empty(); });
  EXPECT_THAT(reader, ElementsAre("readable")) << "a reader hears of what had come meanwhile";
}

RootTask cancel_when_ready(Loop& loop, Source& source, TaskSet* others) {
  co_await Wait(loop).on(source, kReadable);
  others->end_all();
}

TEST(Wait, MayBeDestroyedByAnotherThatIsReadyInTheSameTurn) {
  Loop loop;
  const Pair a, b, c;
  Source at_a(loop, a.near.get()), at_b(loop, b.near.get()), at_c(loop, c.near.get());
  TaskSet tasks, others;
  Log log;
  tasks.start(cancel_when_ready(loop, at_a, &others));
  others.start(await_either(loop, at_b, at_c, &log));
  a.send_from_far();
  b.send_from_far();
  loop.turn(false);
  EXPECT_TRUE(tasks.empty());
  EXPECT_THAT(log, IsEmpty());
  Source again(std::move(at_b));  // nobody waits for it any more, or this would abort
}

RootTask sleep(Loop& loop, Instant deadline, std::string name, Log* log) {
  co_await SleepUntil(loop, deadline);
  EXPECT_GE(loop.now(), deadline) << "early";
  log->push_back(std::move(name));
}

TEST(Timer, WakesSleepersInTheOrderOfTheirDeadlinesAndNeverEarly) {
  Loop loop;
  TaskSet tasks;
  Log log;
  const Instant now = loop.read_clock();
  tasks.start(sleep(loop, now + milliseconds(9), "9 ms", &log));
  tasks.start(sleep(loop, now + std::chrono::microseconds(1500), "1.5 ms", &log));
  tasks.start(sleep(loop, now + milliseconds(4), "4 ms", &log));
  tasks.start(sleep(loop, now - milliseconds(4), "passed", &log));
  drive(loop, [&] { return tasks.empty(); });
  EXPECT_THAT(log, ElementsAre("passed", "1.5 ms", "4 ms", "9 ms"));
}

TEST(Timer, IsDisarmedByNeverAndForgetsThatItExpired) {
  Loop loop;
  Timer timer(loop);
  timer.arm(loop.read_clock());
  EXPECT_TRUE(timer.armed());
  drive(loop, [&] { return timer.expired(); });
  EXPECT_FALSE(timer.armed());
  timer.arm(loop.now() + std::chrono::hours(1));
  EXPECT_FALSE(timer.expired());
  EXPECT_TRUE(timer.armed());
  timer.arm(kNever);
  EXPECT_FALSE(timer.armed());
}

TEST(Timer, SaysWhetherItFiresInTime) {
  Loop loop;
  Timer timer(loop);
  const Instant now = loop.read_clock();
  EXPECT_FALSE(timer.fires_by(now + milliseconds(5)));
  EXPECT_TRUE(timer.fires_by(kNever)) << "there is nothing to be in time for";
  timer.arm(now + milliseconds(5));
  EXPECT_TRUE(timer.fires_by(now + milliseconds(5)));
  EXPECT_TRUE(timer.fires_by(now + milliseconds(50)));
  EXPECT_FALSE(timer.fires_by(now + milliseconds(2)));
  drive(loop, [&] { return timer.expired(); });
  EXPECT_FALSE(timer.fires_by(now + milliseconds(50)));
  EXPECT_FALSE(timer.fires_by(kNever)) << "it has to be disarmed to be forgotten";
}

TEST(Timer, ThatIsPushedBackDoesNotWakeAtTheOldDeadline) {
  Loop loop;
  Timer timer(loop), old_deadline(loop);
  const Instant now = loop.read_clock();
  timer.arm(now + milliseconds(2));
  old_deadline.arm(now + milliseconds(4));
  timer.arm(now + milliseconds(30));
  drive(loop, [&] { return old_deadline.expired() || timer.expired(); });
  EXPECT_TRUE(old_deadline.expired());
  drive(loop, [&] { return timer.expired(); });
  EXPECT_GE(loop.now(), now + milliseconds(30));
}

RootTask repeat(Loop& loop, std::string name, int times, Log* log) {
  for (int i = 0; i < times; ++i) {
    log->push_back(name);
    co_await Wait(loop).soon();
  }
}

TEST(Yield, TakesTurns) {
  Loop loop;
  TaskSet tasks;
  Log log;
  tasks.start(repeat(loop, "a", 3, &log));
  tasks.start(repeat(loop, "b", 3, &log));
  drive(loop, [&] { return tasks.empty(); });
  EXPECT_THAT(log, ElementsAre("a", "b", "a", "b", "a", "b"));
}

TEST(Yield, LetsDescriptorsAndTimersHaveTheirSay) {
  Loop loop;
  const Pair a, b;
  Source at_a(loop, a.near.get()), at_b(loop, b.near.get());
  TaskSet tasks, endless;
  Log log, ignored;
  endless.start(repeat(loop, "busy", INT32_MAX, &ignored));
  tasks.start(await_either(loop, at_a, at_b, &log));
  a.send_from_far();
  loop.turn(true);  // must not sleep either: somebody is ready
  EXPECT_THAT(log, ElementsAre("a"));
  Timer timer(loop);
  timer.arm(loop.now() + milliseconds(2));
  drive(loop, [&] { return timer.expired(); });
}

RootTask await(Event& event, std::string name, Log* log) {
  co_await event.wait();
  log->push_back(std::move(name));
}

RootTask await(Loop& loop, Event& event, Instant deadline, Log* log) {
  Timer timer(loop);
  timer.arm(deadline);
  co_await event.wait(timer);
  log->push_back(timer.expired() ? "expired" : "notified");
}

TEST(Event, WakesAllWhoWaitInOrderAndNobodyWhoComesLater) {
  Loop loop;
  Event event(loop);
  TaskSet tasks;
  Log log;
  tasks.start(await(event, "a", &log));
  tasks.start(await(event, "b", &log));
  event.notify_all();
  EXPECT_THAT(log, IsEmpty()) << "the loop resumes them, not the notifier";
  tasks.start(await(event, "late", &log));
  loop.turn(false);
  loop.turn(false);
  EXPECT_THAT(log, ElementsAre("a", "b"));
}

TEST(Event, ForgetsWaitersThatAreCancelledBeforeAndAfterTheNotification) {
  Loop loop;
  Event event(loop);
  Log log;
  auto early = std::make_unique<TaskSet>();
  auto late = std::make_unique<TaskSet>();
  TaskSet tasks;
  early->start(await(event, "cancelled before", &log));
  late->start(await(event, "cancelled after", &log));
  tasks.start(await(event, "kept", &log));
  early.reset();
  event.notify_all();
  late.reset();
  loop.turn(false);
  EXPECT_THAT(log, ElementsAre("kept"));
}

TEST(Event, WaitsNoLongerThanTheTimer) {
  Loop loop;
  Event event(loop);
  TaskSet tasks;
  Log log;
  tasks.start(await(loop, event, loop.read_clock() + milliseconds(2), &log));
  drive(loop, [&] { return tasks.empty(); });
  tasks.start(await(loop, event, loop.now() + std::chrono::hours(1), &log));
  event.notify_all();
  drive(loop, [&] { return tasks.empty(); });
  EXPECT_THAT(log, ElementsAre("expired", "notified"));
}

TEST(Mailbox, DeliversTheLettersOfEachThreadInOrder) {
  constexpr int kThreads = 4, kLetters = 2000;
  Loop loop;
  std::array<std::vector<int>, kThreads> arrived;  // touched by letters alone, on this thread
  int left = kThreads * kLetters;
  std::vector<std::jthread> threads;
  for (size_t sender = 0; sender < kThreads; ++sender) {
    threads.emplace_back([&, sender] {
      for (int i = 0; i < kLetters; ++i) {
        loop.mailbox().post([&, sender, i] {
          arrived[sender].push_back(i);
          if (--left == 0) loop.stop();
        });
      }
    });
  }
  loop.run();
  EXPECT_EQ(left, 0);
  for (const auto& letters : arrived) {
    EXPECT_EQ(letters.size(), static_cast<size_t>(kLetters));
    EXPECT_TRUE(std::ranges::is_sorted(letters));
  }
}

TEST(Mailbox, WakesALoopThatHasNothingElseToDo) {
  Loop loop;
  const std::jthread other([&] { loop.mailbox().post([&] { loop.stop(); }); });
  loop.run();
}

TEST(Mailbox, DeliversALetterThatALetterPosts) {
  Loop loop;
  Log log;
  loop.mailbox().post([&] {
    log.push_back("first");
    loop.mailbox().post([&] {
      log.push_back("second");
      loop.stop();
    });
  });
  loop.run();
  EXPECT_THAT(log, ElementsAre("first", "second"));
}

TEST(Loop, RunsAgainAfterItWasStopped) {
  Loop loop;
  int runs = 0;
  for (int i = 0; i < 2; ++i) {
    loop.mailbox().post([&] {
      ++runs;
      loop.stop();
    });
    loop.run();
  }
  EXPECT_EQ(runs, 2);
}

TEST(Loop, CountsAndReportsATurnThatStarvedTheOthers) {
  Loop loop;
  std::vector<Duration> reported;
  loop.on_stall([&](Duration length) { reported.push_back(length); });
  loop.turn(false);
  EXPECT_EQ(loop.usage().turns, 1u);
  EXPECT_EQ(loop.usage().stalls, 0u);
  loop.mailbox().post([] {
    const Instant until = Clock::now() + Loop::kStall;
    while (Clock::now() < until) {
    }
  });
  loop.turn(false);
  EXPECT_EQ(loop.usage().stalls, 1u);
  ASSERT_EQ(reported.size(), 1u);
  EXPECT_GE(reported[0], Loop::kStall);
  EXPECT_GE(loop.usage().busy_ns, static_cast<uint64_t>(Loop::kStall.count()));
}

}  // namespace
}  // namespace penstock::loop
