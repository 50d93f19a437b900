#include "session/idle_clients.h"

#include <algorithm>
#include <utility>

#include "session/connection.h"
#include "session/worker.h"

namespace penstock::session {
namespace {

// The first bytes of the next request; false: there will be none.
loop::Task<bool> hear_next(Worker& worker, Arrival& arrival) {
  loop::Loop& loop = worker.loop();
  const auto& timeouts = worker.situation()->config->timeouts;
  // Whoever has not yet said who it is has no longer than its first request had.
  const bool challenged = arrival.challenges > 0;
  loop::Timer timer(loop);
  timer.arm(deadline_after(
      loop.now(), challenged ? std::min(timeouts.head, timeouts.keep_alive) : timeouts.keep_alive));
  for (;;) {
    const auto buffer = worker.relay().buffer();
    const loop::Moved moved = arrival.stream.read(buffer);
    if (moved.bytes()) {
      arrival.early.assign(buffer.data(), buffer.data() + moved.count);
      co_return true;
    }
    if (!moved.would_block() || timer.expired()) co_return false;
    co_await loop::Wait(loop).on(arrival.stream.source(), loop::kReadable).until(timer);
  }
}

}  // namespace

IdleClients::Idle::Idle(IdleClients& all, loop::RootTask::promise_type& task)
    : clients(all), root(task) {
  clients.idle_.push_back(*this);
  ++clients.size_;
}

IdleClients::Idle::~Idle() {
  unlink();
  --clients.size_;
}

void IdleClients::keep(Arrival arrival) {
  tasks_.start(wait(std::move(arrival)));
}

loop::RootTask IdleClients::wait(Arrival arrival) {
  {
    const Idle idle(*this, co_await loop::ThisTask{});
    // Others first: a client that sends many requests at once has had its share of this turn.
    co_await loop::Wait(worker_.loop()).soon();
    if (arrival.early.empty() && !co_await hear_next(worker_, arrival)) co_return;
  }
  worker_.go_on(std::move(arrival));
}

void IdleClients::drop_all() {
  while (!idle_.empty()) idle_.front().root.end();
}

void IdleClients::yield() {
  if (!idle_.empty() && worker_.door().crowded()) drop_all();
}

}  // namespace penstock::session
