#include "session/admit.h"

#include <string>

#include "loop/bell.h"
#include "observe/probes.h"
#include "session/watch.h"

namespace penstock::session {

namespace probe = observe::probe;
using Failure = std::optional<Error>;
using loop::Task;

namespace {

// Waits until there is room or patience ends.
Task<Result<admission::Permit::State>> wait_for_room(Connection& c, admission::Permit& permit,
                                                     Instant deadline) {
  loop::Loop& loop = c.worker.loop();
  loop::Bell bell(loop);
  loop::Timer timer(loop);
  timer.arm(deadline);
  if (permit.call_me(bell.ringer())) co_await bell.wait(timer);
  co_return permit.give_up(loop.now());
}

}  // namespace

Task<Failure> get_permit(Connection& c, admission::Permit& permit) {
  using State = admission::Permit::State;
  loop::Loop& loop = c.worker.loop();
  const Instant began = loop.now();
  State state = permit.ask(c.story.target, c.story.client.address, began);
  if (state == State::kAtDestination || state == State::kInHall) {
    const Instant deadline = deadline_after(began, c.config().timeouts.queue);
    const auto waited = co_await while_client_stays(c, wait_for_room(c, permit, deadline));
    if (!waited) {
      probe::admit(c.step_end(micros_between(began, loop.now()), probe::word(waited)));
      co_return waited.error();
    }
    state = *waited;
  }
  c.story.times.queue.add(began, loop.now());
  Failure refused;
  if (state != State::kHeld) refused = c.story.deny(permit.denial());
  probe::admit(c.step_end(micros_between(began, loop.now()), probe::word(refused)));
  co_return refused;
}

void give_permit_back(Connection& c, admission::Permit& permit, const Failure& failure) {
  const auto w = c.story.times.resolve.duration() + c.story.times.dial.duration();
  const auto error = failure ? std::optional(failure->code) : std::nullopt;
  switch (permit.settle(w, error, c.worker.loop().now())) {
    case admission::Breaker::Change::kNone: break;
    case admission::Breaker::Change::kOpened:
      c.worker.trouble().say(observe::Level::kWarning, c.story.target.text() + " fails (" +
                                                           std::string(failure->facts().word) +
                                                           "): it is left alone for a while");
      break;
    case admission::Breaker::Change::kClosed:
      c.worker.trouble().say(observe::Level::kInfo, c.story.target.text() + " answers again");
      break;
  }
}

}  // namespace penstock::session
