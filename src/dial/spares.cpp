#include "dial/spares.h"

#include <algorithm>
#include <utility>

namespace penstock::dial {

void Spares::adopt(const config::Config& config) {
  drop_all();
  settings_ = config.dial.spares;
  attempt_ = config.timeouts.attempt;
  patience_ = config.timeouts.dial;
  listed_.clear();
  for (const http::Authority& target : settings_.destinations) listed_.insert(target.text());
  popular_ = Popular(settings_.popular);
}

void Spares::close() {
  closed_ = true;
  drop_all();
}

void Spares::yield() {
  if (!spares_.empty() && door_.crowded()) drop_all();
}

std::optional<Reached> Spares::take(std::span<const policy::Route> routes) {
  for (const policy::Route& route : routes) {
    for (auto at = spares_.begin(); at != spares_.end();) {
      const auto spare = at++;
      if (!spare->reached.stream || spare->reached.peer != route.endpoint()) continue;
      Reached reached = take_from_keeper(spare);
      if (reached.stream.silent()) {
        ++counts_.used;
        return reached;
      }
      ++counts_.closed;
    }
  }
  return std::nullopt;
}

void Spares::follow(const http::Authority& target, std::span<const policy::Route> routes,
                    const Reached& reached) {
  if (closed_ || (listed_.empty() && settings_.popular == 0)) return;
  const std::string name = target.text();
  const bool popular = popular_.ask(name, loop_.now());
  if (!popular && !listed_.contains(name)) return;
  const auto route = std::ranges::find(routes, reached.peer, &policy::Route::endpoint);
  if (route == routes.end() || reached.port.scarce(loop_.now())) return;
  for (size_t have = count(reached.peer); have < settings_.each; ++have) {
    if (spares_.size() >= kSparesMax || door_.crowded()) return;
    admission::Seat seat = door_.take_seat();
    if (!seat) return;
    spares_.push_back(Spare{*route, std::move(seat)});
    keepers_.start(keep(std::prev(spares_.end())));
  }
}

// Dials a spare and keeps it until it is too old or the origin has had enough of it.
loop::RootTask Spares::keep(Position spare) {
  spare->keeper = &co_await loop::ThisTask{};
  co_await loop::Wait(loop_).soon();  // the tunnel that it follows comes first
  auto reached = co_await reach(loop_, {&spare->route, 1}, means_, attempt_,
                                deadline_after(loop_.now(), patience_));
  if (!reached) {
    ++counts_.failed;
    remove(spare);
    co_return;
  }
  spare->reached = std::move(*reached);
  ++counts_.ready;
  loop::Timer timer(loop_);
  timer.arm(deadline_after(loop_.now(), settings_.age));
  co_await loop::Wait(loop_).on(spare->reached.stream.source(), loop::kReadable).until(timer);
  if (timer.expired()) {
    let_go(remove(spare));
  } else {
    ++counts_.closed;
    remove(spare);
  }
}

// Without its keeper, who may be the one that calls. The seat is free with that.
Reached Spares::remove(Position spare) {
  Reached reached = std::move(spare->reached);
  if (reached.stream) --counts_.ready;
  spares_.erase(spare);
  return reached;
}

Reached Spares::take_from_keeper(Position spare) {
  spare->keeper->end();  // waits on the stream, which moves only when nobody does
  return remove(spare);
}

void Spares::let_go(Reached reached) {
  ++counts_.expired;
  reached.let_go(loop_.now());
}

void Spares::drop_all() {
  while (!spares_.empty()) {
    Reached reached = take_from_keeper(spares_.begin());
    if (reached.stream) let_go(std::move(reached));
  }
}

size_t Spares::count(const Endpoint& to) const {
  return static_cast<size_t>(std::ranges::count_if(
      spares_, [&to](const Spare& spare) { return spare.route.endpoint() == to; }));
}

}  // namespace penstock::dial
