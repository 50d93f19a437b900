#include "admission/door.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "admission/client.h"
#include "base/check.h"

namespace penstock::admission {
namespace {

// Whether the destination is to blame. A name that does not exist was answered; an open route was
// not asked.
bool is_failure(Code code) {
  switch (code) {
    case Code::kNoSuchName:
    case Code::kNoAddress:
    case Code::kBreakerOpen: return false;
    default: return facts(code).side == Side::kOrigin || facts(code).side == Side::kDns;
  }
}

// Whether the time that it took is the destination's.
bool took_its_time(Code code) {
  return code == Code::kDialTimeout || code == Code::kDnsTimeout;
}

}  // namespace

Door::Door(const DoorLimits& limits) : seats_(limits.seats), limits_(limits) {}

void Door::set_limits(const DoorLimits& limits, Instant now) {
  seats_.set_limit(limits.seats);
  const std::lock_guard lock(mutex_);
  limits_ = limits;
  for (auto& [authority, at] : destinations_) serve(at, now);
}

// --- one set-up ----------------------------------------------------------------------------------

Door::Permit::~Permit() {
  const std::lock_guard lock(door_.mutex_);
  if (at_ == nullptr) return;
  Destination& at = *at_;
  at.breaker.abandoned(pass_);
  door_.give_back(*this);
  door_.serve(at, door_.latest_);
}

Door::Permit::State Door::Permit::ask(const http::Authority& target, const IpAddress& client,
                                      Instant now) {
  const std::string authority = target.text();
  client_ = accountable(client);
  const std::lock_guard lock(door_.mutex_);
  PENSTOCK_CHECK(state_ == State::kNone);
  door_.latest_ = std::max(door_.latest_, now);
  Destination& at = door_.destination(authority);
  pass_ = at.breaker.ask(door_.limits_.breaker, now);
  if (pass_ == Breaker::Pass::kRefused) {
    door_.refuse(*this, breaker_denial(at, now));
  } else {
    at_ = &at;
    door_.admit(*this, now);
  }
  door_.rest(at);
  return state_;
}

bool Door::Permit::call_me(std::move_only_function<void()> called) {
  const std::lock_guard lock(door_.mutex_);
  if (!waiting()) return false;
  called_ = std::move(called);
  return true;
}

Door::Permit::State Door::Permit::state() const {
  const std::lock_guard lock(door_.mutex_);
  return state_;
}

Door::Permit::State Door::Permit::give_up(Instant now) {
  const std::lock_guard lock(door_.mutex_);
  door_.latest_ = std::max(door_.latest_, now);
  if (waiting()) {
    Destination& at = *at_;
    door_.refuse(*this, state_ == State::kInHall ? door_.no_permit(now) : no_place(at, now));
    door_.serve(at, now);
  }
  return state_;
}

Breaker::Change Door::Permit::settle(Duration w, std::optional<Code> error, Instant now) {
  const std::lock_guard lock(door_.mutex_);
  PENSTOCK_CHECK(state_ == State::kHeld);
  door_.latest_ = std::max(door_.latest_, now);
  Destination& at = *at_;
  door_.learn_time(at, w, error, now);
  const Breaker::Change change = door_.learn_health(at, pass_, error, now);
  if (change == Breaker::Change::kOpened) door_.turn_away(at, now);
  at.given_back.count(now);
  door_.given_back_.count(now);
  door_.give_back(*this);
  door_.serve(at, now);
  return change;
}

// --- what happens under the lock -----------------------------------------------------------------

Destination& Door::destination(const std::string& authority) {
  const auto [found, fresh] = destinations_.try_emplace(authority, limits_.destination,
                                                        std::hash<std::string>()(authority));
  Destination& at = found->second;
  if (fresh) at.authority = &found->first;
  if (at.linked()) {
    at.unlink();
    --idle_count_;
  }
  return at;
}

void Door::rest(Destination& at) {
  if (at.in_use() || at.linked()) return;
  idle_.push_back(at);
  if (++idle_count_ <= kRemembered) return;
  --idle_count_;
  destinations_.erase(destinations_.find(*idle_.front().authority));
}

// While most permits are free, a slow destination takes nothing from anybody, and may have what it
// asks for up to the most that the owner allows; the other half of the permits is kept for those
// that are well.
uint64_t Door::limit_of(Destination& at, Instant now) const {
  const uint64_t learned = at.limit.at(limits_.destination, at.pending, now);
  const bool plenty = pending_ * 2 < limits_.pending;
  return plenty ? limits_.destination.allowed() : learned;
}

// A client may wait with as many set-ups as there are places free (A. Choudhury and E. Hahne,
// Dynamic Queue Length Thresholds, 1998): alone it gets half of the queue, and however many crowd
// in, there is a place left for one who has none yet.
bool Door::may_wait(const IpAddress& client) const {
  if (waiting_ >= limits_.queue) return false;
  const auto his = waiting_by_client_.find(client);
  return his == waiting_by_client_.end() || his->second < limits_.queue - waiting_;
}

void Door::starts_waiting(const IpAddress& client) {
  ++waiting_;
  ++waiting_by_client_[client];
}

void Door::stops_waiting(const IpAddress& client) {
  --waiting_;
  const auto his = waiting_by_client_.find(client);
  if (--his->second == 0) waiting_by_client_.erase(his);
}

void Door::admit(Permit& permit, Instant now) {
  Destination& at = *permit.at_;
  const bool place = at.room.size() == 0 && at.taken < limit_of(at, now);
  if (place && hall_is_open()) {
    ++at.taken;
    grant(permit, now);
  } else if (!may_wait(permit.client_)) {
    refuse(permit, place ? no_permit(now) : no_place(at, now));
  } else {
    starts_waiting(permit.client_);
    if (place) {
      enter_hall(permit, now);
    } else {
      permit.state_ = Permit::State::kAtDestination;
      at.room.enter(limits_.waiting, permit, permit.client_, now);
      send_stale_away(at, now);
    }
  }
}

bool Door::hall_is_open() const {
  return hall_.size() == 0 && (limits_.pending == 0 || pending_ < limits_.pending);
}

// Takes its place at the destination along.
void Door::enter_hall(Permit& permit, Instant now) {
  ++permit.at_->taken;
  permit.state_ = Permit::State::kInHall;
  hall_.enter(limits_.waiting, permit, permit.client_, now);
}

void Door::grant(Permit& permit, Instant now) {
  Destination& at = *permit.at_;
  if (permit.state_ != Permit::State::kNone) stops_waiting(permit.client_);
  if (at.pending == 0) at.limit.began(now);
  ++at.pending;
  ++pending_;
  permit.state_ = Permit::State::kHeld;
  if (permit.called_) permit.called_();
}

void Door::refuse(Permit& permit, const Denial& denial) {
  if (permit.at_ != nullptr) permit.at_->breaker.abandoned(permit.pass_);
  give_back(permit);
  permit.denial_ = denial;
  permit.state_ = Permit::State::kRefused;
  if (permit.called_) permit.called_();
}

// Whatever it has: a place in a queue, at its destination, among the pending. Nobody is served.
void Door::give_back(Permit& permit) {
  Destination* const at = std::exchange(permit.at_, nullptr);
  switch (std::exchange(permit.state_, Permit::State::kNone)) {
    case Permit::State::kAtDestination:
      if (permit.waiting()) at->room.leave(permit);
      stops_waiting(permit.client_);
      break;
    case Permit::State::kInHall:
      if (permit.waiting()) hall_.leave(permit);
      stops_waiting(permit.client_);
      --at->taken;
      break;
    case Permit::State::kHeld:
      --at->taken;
      --at->pending;
      --pending_;
      break;
    case Permit::State::kNone:
    case Permit::State::kRefused: break;
  }
}

void Door::learn_time(Destination& at, Duration w, std::optional<Code> error, Instant now) {
  const bool its_time = !error || took_its_time(*error);
  // A client without that much patience left: the set-up would have taken at least so long.
  const bool left = error == Code::kClientGone;
  const bool longer = std::chrono::duration<double>(w).count() > at.limit.recent_seconds();
  if (its_time || (left && longer)) {
    at.limit.sample(limits_.destination, w, at.pending, now);
  } else if (!left) {
    at.limit.heard(now);
  }
}

Breaker::Change Door::learn_health(Destination& at, Breaker::Pass pass, std::optional<Code> error,
                                   Instant now) {
  if (error && !is_failure(*error)) {
    at.breaker.abandoned(pass);
    return Breaker::Change::kNone;
  }
  const auto change = error ? at.breaker.failed(limits_.breaker, pass, *error, now)
                            : at.breaker.succeeded(limits_.breaker, pass, now);
  if (change == Breaker::Change::kOpened) ++breakers_opened_;
  return change;
}

// Lets in whoever there is room for now: first those who wait for this destination, then those in
// the hall. A place that is given up there by another destination's makes room for its next.
void Door::serve(Destination& at, Instant now) {
  fill(at, now);
  for (;;) {
    while (limits_.pending == 0 || pending_ < limits_.pending) {
      auto* const next = static_cast<Permit*>(hall_.next(limits_.waiting, now));
      if (next == nullptr) break;
      grant(*next, now);
    }
    auto* const stale = static_cast<Permit*>(hall_.next_stale(limits_.waiting, now));
    if (stale == nullptr) break;
    Destination& its = *stale->at_;
    refuse(*stale, no_permit(now));
    fill(its, now);
    if (&its != &at) rest(its);
  }
  rest(at);
}

void Door::fill(Destination& at, Instant now) {
  while (at.taken < limit_of(at, now)) {
    auto* const next = static_cast<Permit*>(at.room.next(limits_.waiting, now));
    if (next == nullptr) return;
    if (hall_is_open()) {
      ++at.taken;
      grant(*next, now);
    } else {
      enter_hall(*next, now);
    }
  }
  send_stale_away(at, now);
}

void Door::send_stale_away(Destination& at, Instant now) {
  while (auto* const stale = static_cast<Permit*>(at.room.next_stale(limits_.waiting, now))) {
    refuse(*stale, no_place(at, now));
  }
}

// The breaker has opened: whoever waits would only wait longer for the same answer.
void Door::turn_away(Destination& at, Instant now) {
  while (auto* const waiting = static_cast<Permit*>(at.room.oldest())) {
    refuse(*waiting, breaker_denial(at, now));
  }
}

// --- what is said --------------------------------------------------------------------------------

// How long a queue lasts at the rate at which permits have been coming back.
Duration Door::drained_in(const WaitingRoom& room, Rate& rate, Instant now) {
  const double per_second = rate.per_second(now);
  const double ahead = static_cast<double>(room.size()) + 1;
  const double most = std::chrono::duration<double>(kRetryMax).count();
  const double seconds = per_second * most > ahead ? ahead / per_second : most;
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

Denial Door::no_permit(Instant now) {
  return {{Code::kNoPermit}, drained_in(hall_, given_back_, now), {}};
}

Denial Door::no_place(Destination& at, Instant now) {
  return {{Code::kDestinationBusy}, drained_in(at.room, at.given_back, now), {}};
}

Denial Door::breaker_denial(const Destination& at, Instant now) {
  // Half-open, it is asking: by then it will have heard.
  const Duration pause =
      std::max<Duration>(at.breaker.opens_until() - now, std::chrono::seconds(1));
  return {{Code::kBreakerOpen}, std::min(pause, kRetryMax), at.breaker.cause()};
}

uint64_t Door::pending() const {
  const std::lock_guard lock(mutex_);
  return pending_;
}

Door::Facts Door::facts(Instant now) const {
  const std::lock_guard lock(mutex_);
  Facts out{.pending = pending_,
            .waiting = waiting_,
            .pending_limit = limits_.pending,
            .destination_limit = limits_.destination.most,
            .queue_limit = limits_.queue,
            .destinations = destinations_.size(),
            .breakers_opened = breakers_opened_,
            .overloaded = hall_.overloaded()};
  for (const auto& [authority, at] : destinations_) {
    const Breaker::State state = at.breaker.state(now);
    out.breakers_open += state == Breaker::State::kOpen ? 1 : 0;
    out.breakers_half_open += state == Breaker::State::kHalfOpen ? 1 : 0;
  }
  return out;
}

std::vector<Door::DestinationFacts> Door::destinations(Instant now, size_t most) const {
  std::vector<DestinationFacts> all;
  {
    const std::lock_guard lock(mutex_);
    all.reserve(destinations_.size());
    for (const auto& [authority, at] : destinations_) {
      all.push_back({authority, at.pending, at.room.size(), at.limit.last(limits_.destination),
                     at.limit.recent_seconds(), at.limit.no_load_seconds(), at.breaker.state(now),
                     at.breaker.cause()});
    }
  }
  const auto unwell = [](const DestinationFacts& one) {
    return std::tuple(one.breaker != Breaker::State::kClosed, one.waiting, one.pending);
  };
  const size_t kept = std::min(most, all.size());
  std::partial_sort(all.begin(), all.begin() + static_cast<ptrdiff_t>(kept), all.end(),
                    [&](const auto& a, const auto& b) { return unwell(a) > unwell(b); });
  all.resize(kept);
  return all;
}

}  // namespace penstock::admission
