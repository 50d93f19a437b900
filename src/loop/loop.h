// One thread's scheduler: edge-triggered epoll, a timer wheel, a list of coroutines that are
// ready to go on, and a mailbox for other threads. run() is the only function that sleeps.
//
// A descriptor is registered once, for as long as its Source lives; what the kernel reported is
// remembered in the Source until a read or write says EAGAIN. A direction that nobody waits for is
// taken out when its reports become noise, and put back by the next who waits for it.
//
// Thread: everything belongs to the thread that calls run(), but mailbox().
// Lifetime: the Loop outlives every Source, Timer and Waiter made on it.
#pragma once

#include <array>
#include <atomic>
#include <coroutine>
#include <cstdint>
#include <deque>
#include <functional>

#include "base/list.h"
#include "base/time.h"
#include "loop/mailbox.h"
#include "loop/timer_wheel.h"
#include "sys/fd.h"

namespace penstock::loop {

class AlongsideBase;
class Loop;
class Waiter;

// What is known to be possible on a descriptor without waiting.
enum Readiness : uint8_t {
  kReadable = 1,
  kWritable = 2,
  kHangup = 4,  // FIN or error was reported: a read will say which, even after a short read
  kBroken = 8,  // an error (RST, refused connect) was reported: SO_ERROR says which
};

// A descriptor's registration with the loop. The descriptor must stay open while it exists. Or a
// source without one: whoever owns what is waited for says when it is ready.
class Source : public ListNode {
 public:
  enum class Trigger : uint8_t { kEdge, kLevel };

  Source() = default;
  Source(Loop& loop, int fd, Trigger trigger = Trigger::kEdge,
         uint8_t directions = kReadable | kWritable);
  // Without a descriptor: ready for what announce() says, and costs the kernel nothing.
  explicit Source(Loop& loop) : loop_(&loop), armed_(kReadable | kWritable) {}
  Source(Source&& other) noexcept;
  Source& operator=(Source&& other) noexcept;
  ~Source() { forget(); }

  uint8_t ready() const { return ready_; }
  bool ready(uint8_t any_of) const { return (ready_ & any_of) != 0; }
  Loop& loop() const { return *loop_; }
  void clear(uint8_t bits) { ready_ &= static_cast<uint8_t>(~bits); }
  // Takes it for ready although nothing was reported; an attempt that says EAGAIN clears it.
  void suppose(uint8_t bits) { ready_ |= bits; }
  // Of one without a descriptor: these are possible now, and who waits for them goes on in this
  // turn.
  void announce(uint8_t bits);
  // Takes it for unreadable until the kernel says otherwise, at once if it is readable now: for a
  // reader that knows of bytes it does not want before SO_RCVLOWAT is reached.
  void await_more();

  // Ends the registration now rather than at destruction; the descriptor is to be closed next.
  void forget();
  // The same for a descriptor that others hold open too (a socket from systemd, a duplicate): the
  // kernel goes on reporting it until it is told not to.
  void forget_shared(int fd);

 private:
  friend class Loop;
  friend class Waiter;
  static constexpr uint32_t kNoSlot = UINT32_MAX;  // no descriptor: the kernel does not know it
  void signal(uint8_t bits);
  void arm(uint8_t directions);

  Loop* loop_ = nullptr;
  Waiter* waiter_ = nullptr;  // who waits for it now; the list node links it to that waiter
  uint32_t slot_ = kNoSlot;
  uint8_t ready_ = 0;
  uint8_t interest_ = 0;
  Trigger trigger_ = Trigger::kEdge;
  uint8_t armed_ = 0;  // the directions that the kernel reports
};

// A deadline that stays armed across waits; re-arming costs a list operation, no system call.
class Timer : public WheelEntry {
 public:
  explicit Timer(Loop& loop) : loop_(&loop) {}

  // kNever disarms. A deadline that has passed fires in the next turn.
  void arm(Instant deadline);
  Loop& loop() const { return *loop_; }
  bool expired() const { return fired(); }
  bool armed() const { return linked(); }
  // It is armed and will fire by `deadline`. By kNever: there is nothing to arm it for.
  bool fires_by(Instant deadline) const;

 private:
  friend class Loop;
  friend class Waiter;
  Loop* loop_;
  Waiter* waiter_ = nullptr;
};

// One suspended coroutine and what may wake it. Awaitables are made of it; it detaches from
// everything when it is destroyed, so cancelling a task needs no further care.
class Waiter : public ListNode {
 public:
  explicit Waiter(Loop& loop) : loop_(&loop) {}
  ~Waiter() { detach(); }

  // Wakes when any of `bits` becomes ready, and at each new hang-up.
  void watch(Source& source, uint8_t bits);
  void watch(Timer& timer);
  void watch(AlongsideBase& work);

  void suspend(std::coroutine_handle<> coroutine) { coroutine_ = coroutine; }
  void wake();        // goes on in this turn; waking twice is waking once
  void wake_later();  // in the next turn, behind what epoll has to say
  void detach();      // from all that it watches

 private:
  friend class AlongsideBase;
  friend class Loop;
  Loop* loop_;
  std::coroutine_handle<> coroutine_;
  List<Source> sources_;
  Timer* timer_ = nullptr;
  AlongsideBase* work_ = nullptr;
};

// co_await Wait(loop).on(a, kReadable).on(b, kWritable).until(timer).until_done(work);
// Comes back as soon as any of them is so, at once if one already is.
class [[nodiscard]] Wait {
 public:
  explicit Wait(Loop& loop) : waiter_(loop) {}
  Wait(const Wait&) = delete;

  Wait& on(Source& source, uint8_t bits) {
    ready_ = ready_ || source.ready(bits);
    waiter_.watch(source, bits);
    return *this;
  }
  Wait& until(Timer& timer) {
    ready_ = ready_ || timer.expired();
    waiter_.watch(timer);
    return *this;
  }
  Wait& until_done(AlongsideBase& work);  // loop/alongside.h
  // Comes back in the next turn, behind everybody else who is ready: a coroutine that has had its
  // share of this one waits so.
  Wait& soon() {
    soon_ = true;
    return *this;
  }

  bool await_ready() const { return ready_; }
  void await_suspend(std::coroutine_handle<> coroutine) {
    waiter_.suspend(coroutine);
    if (soon_) waiter_.wake_later();
  }
  void await_resume() { waiter_.detach(); }

 private:
  Waiter waiter_;
  bool ready_ = false;
  bool soon_ = false;
};

// A queue of coroutines that wait for something only the program knows: a coalesced answer, an
// empty set. notify_all() wakes them in order.
class Event {
 public:
  class [[nodiscard]] Awaiter : public ListNode {
   public:
    Awaiter(Event& event, Loop& loop, Timer* timer) : event_(event), waiter_(loop), timer_(timer) {}
    bool await_ready() const { return timer_ && timer_->expired(); }
    void await_suspend(std::coroutine_handle<> coroutine) {
      event_.waiting_.push_back(*this);
      if (timer_) waiter_.watch(*timer_);
      waiter_.suspend(coroutine);
    }
    void await_resume() {
      unlink();
      waiter_.detach();
    }

   private:
    friend class Event;
    Event& event_;
    Waiter waiter_;
    Timer* timer_;
  };

  explicit Event(Loop& loop) : loop_(&loop) {}
  Awaiter wait() { return Awaiter(*this, *loop_, nullptr); }
  Awaiter wait(Timer& timer) { return Awaiter(*this, *loop_, &timer); }
  void notify_all();

 private:
  Loop* loop_;
  List<Awaiter> waiting_;
};

class Loop {
 public:
  Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  ~Loop();

  // Runs until stop(). Coroutines that are still waiting then belong to their owners.
  void run();
  void stop() { stopping_ = true; }
  // One turn: what is ready, then what epoll and the wheel have; sleeps only if `may_sleep`.
  void turn(bool may_sleep);

  // The time at which this turn began: good for deadlines, and costs nothing.
  Instant now() const { return now_; }
  // The time at this moment, which now() then says too: for what is reported to people.
  Instant read_clock() { return now_ = Clock::now(); }

  Mailbox& mailbox() { return mailbox_; }

  // How this thread spends its time. Written by the loop, read by anybody.
  struct Usage {
    std::atomic<uint64_t> turns{0};
    std::atomic<uint64_t> busy_ns{0};  // outside epoll_wait
    std::atomic<uint64_t> stalls{0};   // turns longer than kStall
  };
  const Usage& usage() const { return usage_; }

  // A turn this long starves every other connection of the thread.
  static constexpr Duration kStall = std::chrono::milliseconds(100);
  // Called after a stalled turn with its length.
  void on_stall(std::function<void(Duration)> report) { report_stall_ = std::move(report); }

 private:
  friend class Source;
  friend class Timer;
  friend class Waiter;

  static constexpr uint32_t kNoSlot = UINT32_MAX;
  struct Slot {
    Source* source = nullptr;  // nothing: it is free
    uint32_t generation = 0;
    union {
      int fd;
      uint32_t next_free = kNoSlot;
    };
  };

  uint64_t tick_of(Instant instant) const;
  uint32_t take_slot(Source& source, int fd);
  void give_slot(uint32_t slot);
  // What epoll gives back with an event.
  uint64_t tag_of(uint32_t slot) const { return uint64_t{slots_[slot].generation} << 32 | slot; }
  void resume_ready();
  void fire_timers();
  void poll(bool may_sleep);
  int sleep_ms();
  void account(Instant began);

  const Instant epoch_ = Clock::now();
  Instant now_ = epoch_;
  sys::Fd epoll_;
  TimerWheel wheel_;
  List<Waiter> ready_;
  List<Waiter> later_;  // have had their share of this turn
  // epoll events name a slot and a generation, not a Source: an event of a descriptor that was
  // closed earlier in the same batch finds another generation and is dropped.
  std::deque<Slot> slots_;  // grows without moving, which would be a stall with many tunnels
  uint32_t free_slot_ = kNoSlot;
  Mailbox mailbox_;
  Source mailbox_source_;
  bool stopping_ = false;
  Usage usage_;
  std::function<void(Duration)> report_stall_;
};

// co_await sleep_until(loop, deadline)
class [[nodiscard]] SleepUntil {
 public:
  SleepUntil(Loop& loop, Instant deadline) : timer_(loop), waiter_(loop) { timer_.arm(deadline); }
  bool await_ready() const { return timer_.expired(); }
  void await_suspend(std::coroutine_handle<> coroutine) {
    waiter_.watch(timer_);
    waiter_.suspend(coroutine);
  }
  void await_resume() { waiter_.detach(); }

 private:
  Timer timer_;
  Waiter waiter_;
};

}  // namespace penstock::loop
