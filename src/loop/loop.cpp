#include "loop/loop.h"

#include <algorithm>
#include <cerrno>

#include "base/check.h"
#include "loop/alongside.h"
#include "sys/calls.h"

namespace penstock::loop {
namespace {

constexpr auto kTick = std::chrono::milliseconds(1);
constexpr int kEventsPerTurn = 256;

uint8_t readiness_of(uint32_t events) {
  uint8_t bits = 0;
  if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) bits |= kReadable;
  if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) bits |= kWritable;
  // EPOLLRDHUP can arrive together with the peer's last bytes. It is only a reason to go on
  // reading; what ends a direction is a read that returns zero.
  if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) bits |= kHangup;
  if (events & EPOLLERR) bits |= kBroken;
  // A read stops in front of an urgent byte, so there too a short read does not mean that the
  // socket is empty (RFC 6093).
  if (events & EPOLLPRI) bits |= kReadable | kHangup;
  return bits;
}

// EPOLLPRI goes with EPOLLIN: the kernel announces any data as both.
uint32_t events_of(uint8_t directions) {
  uint32_t events = EPOLLRDHUP;
  if (directions & kReadable) events |= EPOLLIN | EPOLLPRI;
  if (directions & kWritable) events |= EPOLLOUT;
  return events;
}

}  // namespace

Source::Source(Loop& loop, int fd, Trigger trigger, uint8_t directions) : loop_(&loop) {
  slot_ = loop.take_slot(*this, fd);
  trigger_ = trigger;
  armed_ = directions;
  const uint32_t events = events_of(directions) | (trigger == Trigger::kEdge ? EPOLLET : 0u);
  const int result = sys::calls::epoll_add(loop.epoll_.get(), fd, events, loop.tag_of(slot_));
  if (result == 0) return;
  // fs.epoll.max_user_watches is counted per user, so strangers can use it up. A socket that cannot
  // be watched is shut down and reported as ready for everything: it ends like one whose peer left.
  PENSTOCK_CHECK(result == -ENOSPC || result == -ENOMEM);
  PENSTOCK_CHECK(sys::calls::shutdown(fd, SHUT_RDWR) != -ENOTSOCK);
  ready_ = kReadable | kWritable | kHangup | kBroken;
}

Source::Source(Source&& other) noexcept {
  *this = std::move(other);
}

Source& Source::operator=(Source&& other) noexcept {
  if (this == &other) return *this;
  forget();
  PENSTOCK_CHECK(!other.waiter_);
  loop_ = std::exchange(other.loop_, nullptr);
  slot_ = std::exchange(other.slot_, kNoSlot);
  ready_ = other.ready_;
  trigger_ = other.trigger_;
  armed_ = other.armed_;
  if (slot_ != kNoSlot) loop_->slots_[slot_].source = this;
  return *this;
}

void Source::forget() {
  unlink();
  waiter_ = nullptr;
  // The kernel forgets the descriptor when it is closed, which is what follows; until then an
  // event for the old generation finds nobody.
  if (slot_ != kNoSlot) loop_->give_slot(std::exchange(slot_, kNoSlot));
  loop_ = nullptr;
}

void Source::forget_shared(int fd) {
  if (loop_) sys::calls::epoll_remove(loop_->epoll_.get(), fd);
  forget();
}

void Source::announce(uint8_t bits) {
  PENSTOCK_CHECK(slot_ == kNoSlot);
  ready_ |= bits;
  if (waiter_ && (bits & (interest_ | kHangup)) != 0) waiter_->wake();
}

void Source::signal(uint8_t bits) {
  const bool known = ready_ & bits & kReadable;
  ready_ |= bits;
  if (!waiter_) return;
  if (bits & (interest_ | kHangup)) {
    waiter_->wake();
  } else if (known && trigger_ == Trigger::kEdge) {
    // What was there before cannot be passed on yet, and each segment that comes would wake the
    // loop: a blocked stream cost 30 turns per MiB.
    arm(armed_ & ~kReadable);
  }
}

void Source::await_more() {
  PENSTOCK_CHECK(slot_ != kNoSlot);
  clear(kReadable);
  arm(armed_ | kReadable);
}

// Whatever is possible now is reported once more, so what is known already is left out.
void Source::arm(uint8_t directions) {
  armed_ = static_cast<uint8_t>(directions & ~(ready_ & kWritable));
  PENSTOCK_CHECK(sys::calls::epoll_modify(loop_->epoll_.get(), loop_->slots_[slot_].fd,
                                          events_of(armed_) | EPOLLET, loop_->tag_of(slot_)) == 0);
}

void Timer::arm(Instant deadline) {
  forget_firing();
  unlink();
  if (deadline == kNever) return;
  loop_->wheel_.insert(*this, loop_->tick_of(deadline));
}

bool Timer::fires_by(Instant deadline) const {
  if (deadline == kNever) return !expired();
  return armed() && when() <= loop_->tick_of(deadline);
}

void Waiter::watch(Source& source, uint8_t bits) {
  PENSTOCK_CHECK(!source.waiter_);
  source.waiter_ = this;
  source.interest_ = bits;
  const auto unheard = static_cast<uint8_t>(bits & ~source.armed_ & ~source.ready_);
  if (unheard != 0) source.arm(source.armed_ | unheard);
  sources_.push_back(source);
}

void Waiter::watch(Timer& timer) {
  PENSTOCK_CHECK(!timer_ && !timer.waiter_);
  timer_ = &timer;
  timer.waiter_ = this;
}

void Waiter::watch(AlongsideBase& work) {
  PENSTOCK_CHECK(!work_ && !work.waiter_);
  work_ = &work;
  work.waiter_ = this;
}

void Waiter::wake() {
  if (!linked()) loop_->ready_.push_back(*this);
}

void Waiter::wake_later() {
  if (!linked()) loop_->later_.push_back(*this);
}

void Waiter::detach() {
  sources_.for_each([](Source& source) {
    source.unlink();
    source.waiter_ = nullptr;
  });
  if (timer_) std::exchange(timer_, nullptr)->waiter_ = nullptr;
  if (work_) std::exchange(work_, nullptr)->waiter_ = nullptr;
}

Wait& Wait::until_done(AlongsideBase& work) {
  ready_ = ready_ || work.done();
  waiter_.watch(work);
  return *this;
}

AlongsideBase::~AlongsideBase() {
  if (waiter_) std::exchange(waiter_, nullptr)->work_ = nullptr;
}

void AlongsideBase::finish() {
  done_ = true;
  if (waiter_) waiter_->wake();
}

void Event::notify_all() {
  waiting_.for_each([](Awaiter& awaiter) {
    awaiter.unlink();
    awaiter.waiter_.wake();
  });
}

Loop::Loop() : epoll_(sys::calls::epoll_create()) {
  PENSTOCK_CHECK(epoll_);
  mailbox_source_ = Source(*this, mailbox_.fd(), Source::Trigger::kEdge, kReadable);
}

Loop::~Loop() {
  mailbox_source_.forget();
}

void Loop::run() {
  stopping_ = false;
  while (!stopping_) turn(true);
}

void Loop::turn(bool may_sleep) {
  ready_.take_all(later_);
  poll(may_sleep && ready_.empty());
  const Instant began = read_clock();
  fire_timers();
  if (mailbox_source_.ready(kReadable)) {
    mailbox_source_.clear(kReadable);
    mailbox_.open_all();
  }
  resume_ready();
  account(began);
}

void Loop::resume_ready() {
  // Those whom these wake go on in the same turn; a coroutine that yields goes behind the next
  // poll, so that a fast stream cannot starve the descriptors of others.
  while (!ready_.empty()) {
    Waiter& waiter = ready_.front();
    waiter.unlink();
    waiter.coroutine_.resume();
  }
}

void Loop::fire_timers() {
  const auto elapsed = std::chrono::floor<std::chrono::milliseconds>(now_ - epoch_);
  wheel_.advance(static_cast<uint64_t>(elapsed / kTick), [](WheelEntry& entry) {
    auto& timer = static_cast<Timer&>(entry);
    if (timer.waiter_) timer.waiter_->wake();
  });
}

void Loop::poll(bool may_sleep) {
  std::array<epoll_event, kEventsPerTurn> events;
  const int count = sys::calls::epoll_wait(epoll_.get(), events.data(), kEventsPerTurn,
                                           may_sleep ? sleep_ms() : 0);
  PENSTOCK_CHECK(count >= 0);
  for (int i = 0; i < count; ++i) {
    const uint64_t tag = events[static_cast<size_t>(i)].data.u64;
    const Slot& slot = slots_[static_cast<uint32_t>(tag)];
    if (!slot.source || slot.generation != tag >> 32) continue;
    slot.source->signal(readiness_of(events[static_cast<size_t>(i)].events));
  }
}

int Loop::sleep_ms() {
  const auto next = wheel_.next();
  if (!next) return -1;
  const Instant due = epoch_ + std::chrono::milliseconds(static_cast<int64_t>(*next));
  const auto wait = std::chrono::ceil<std::chrono::milliseconds>(due - Clock::now());
  return static_cast<int>(std::clamp<int64_t>(wait.count(), 0, 1 << 30));
}

void Loop::account(Instant began) {
  const Duration busy = Clock::now() - began;
  const auto relaxed = std::memory_order_relaxed;
  // SAFETY: one writer; readers on other threads need each value whole, not in step.
  usage_.turns.store(usage_.turns.load(relaxed) + 1, relaxed);
  usage_.busy_ns.store(usage_.busy_ns.load(relaxed) + static_cast<uint64_t>(busy.count()), relaxed);
  if (busy < kStall) return;
  usage_.stalls.store(usage_.stalls.load(relaxed) + 1, relaxed);
  if (report_stall_) report_stall_(busy);
}

uint64_t Loop::tick_of(Instant instant) const {
  if (instant <= epoch_) return 0;
  return static_cast<uint64_t>(std::chrono::ceil<std::chrono::milliseconds>(instant - epoch_) /
                               kTick);
}

uint32_t Loop::take_slot(Source& source, int fd) {
  if (free_slot_ == kNoSlot) {
    free_slot_ = static_cast<uint32_t>(slots_.size());
    slots_.emplace_back();
  }
  const uint32_t taken = free_slot_;
  free_slot_ = slots_[taken].next_free;
  slots_[taken].source = &source;
  slots_[taken].fd = fd;
  return taken;
}

void Loop::give_slot(uint32_t slot) {
  slots_[slot].source = nullptr;
  ++slots_[slot].generation;
  slots_[slot].next_free = std::exchange(free_slot_, slot);
}

}  // namespace penstock::loop
