#include "dial/idle_origins.h"

#include <algorithm>
#include <utility>

namespace penstock::dial {

bool IdleOrigins::has_room(const http::Authority& target) {
  if (closed_ || idle_.size() >= kMax || door_.crowded()) return false;
  const auto same = [&target](const Idle& idle) { return idle.target == target; };
  return static_cast<size_t>(std::ranges::count_if(idle_, same)) < kMaxEach;
}

void IdleOrigins::keep(const http::Authority& target, Reached reached, Trust trust) {
  admission::Seat seat = has_room(target) ? door_.take_seat() : admission::Seat();
  if (!seat) return reached.let_go(loop_.now());
  idle_.push_front({target, std::move(seat), std::move(reached), std::move(trust)});
  keepers_.start(watch(idle_.begin()));
}

std::optional<Reached> IdleOrigins::take(const http::Authority& target,
                                         std::span<const policy::Route> routes,
                                         const Trust& trust) {
  for (auto at = idle_.begin(); at != idle_.end();) {
    const auto idle = at++;
    const bool judged = std::ranges::any_of(routes, [&idle](const policy::Route& route) {
      return route.endpoint() == idle->reached.peer;
    });
    if (!judged || idle->target != target || idle->trust != trust) continue;
    Reached reached = take_from_keeper(idle);
    if (!reached.stream.silent()) continue;
    ++reused_;
    return reached;
  }
  return std::nullopt;
}

loop::RootTask IdleOrigins::watch(Position idle) {
  idle->keeper = &co_await loop::ThisTask{};
  loop::Timer timer(loop_);
  timer.arm(loop_.now() + kAge);
  loop::Stream& stream = idle->reached.stream;
  do {
    co_await loop::Wait(loop_).on(stream.source(), loop::kReadable).until(timer);
    // What came may be TLS's own: a ticket, right behind the handshake.
  } while (!timer.expired() && stream.transport() && stream.silent());
  Reached reached = std::move(idle->reached);
  const bool aged = timer.expired();
  idle_.erase(idle);
  if (aged) reached.let_go(loop_.now());
}

Reached IdleOrigins::take_from_keeper(Position idle) {
  idle->keeper->end();  // waits on the stream, which moves only when nobody does
  Reached reached = std::move(idle->reached);
  idle_.erase(idle);
  return reached;
}

void IdleOrigins::drop_all() {
  while (!idle_.empty()) take_from_keeper(idle_.begin()).let_go(loop_.now());
}

void IdleOrigins::close() {
  closed_ = true;
  drop_all();
}

void IdleOrigins::yield() {
  if (!idle_.empty() && door_.crowded()) drop_all();
}

}  // namespace penstock::dial
