#include "tunnel/carry.h"

#include <algorithm>

#include "sys/calls.h"
#include "sys/socket.h"

namespace penstock::tunnel {
namespace {

using State = Flow::State;

std::optional<Error> failure_of(const Flow& flow, Code reading, Code writing) {
  if (flow.state() == State::kReadFailed) return Error{reading, flow.error()};
  if (flow.state() == State::kWriteFailed) return Error{writing, flow.error()};
  return std::nullopt;
}

// A reset that no read is going to notice: `reader` waits for its other stream, or has read a FIN
// before. Looks once per hang-up that was reported.
int unread_reset(loop::Stream& stream, const Flow& reader) {
  if (!stream.source().ready(loop::kHangup) || reader.interest_in_source() != 0) return 0;
  if (reader.ended()) stream.source().clear(loop::kHangup);
  return sys::pending_error(stream.fd());
}

// Why an origin that has ended its stream takes no more of the client's; 0: it does. Its RST may
// come while the client is silent: whether another byte is on its way then is chance, and must not
// decide over what of the answer the client still gets.
int takes_no_more(loop::Stream& origin, const Flow& up, const Flow& down) {
  const bool said_all =
      down.state() == State::kDone || (down.withheld() && down.state() == State::kReadFailed);
  if (!said_all || up.state() == State::kReadFailed) return 0;
  return up.state() == State::kWriteFailed ? up.error() : unread_reset(origin, down);
}

std::optional<Error> failure(loop::Stream& client, loop::Stream& origin, const Flow& up,
                             const Flow& down) {
  // Refused by the origin, while what it said before is still being delivered.
  if (down.withheld() && down.state() < State::kDone) {
    const int error = unread_reset(client, up);
    return error ? std::optional(Error{Code::kClientReset, error}) : std::nullopt;
  }
  if (auto error = failure_of(up, Code::kClientReset, Code::kOriginReset)) return error;
  if (auto error = failure_of(down, Code::kOriginReset, Code::kClientReset)) return error;
  if (const int error = unread_reset(client, up)) return Error{Code::kClientReset, error};
  if (const int error = unread_reset(origin, down)) return Error{Code::kOriginReset, error};
  return std::nullopt;
}

// The origin has ended its stream and now refuses the client's: that is over, and what it said
// has to arrive. Closing is put off until the client's kernel has acknowledged all of it, because a
// close with bytes of the client's unread sends an RST and throws away what is still to be sent.
// What a client that has gone did not acknowledge stays unsent for ever.
PENSTOCK_OWN_FRAME loop::Task<> let_client_finish(loop::Loop& loop, loop::Stream& client,
                                                  Instant until) {
  Duration pause = std::chrono::milliseconds(1);
  const auto gone = [&client] {
    return client.source().ready(loop::kHangup) && sys::pending_error(client.fd()) != 0;
  };
  while (sys::calls::unsent(client.fd()) > 0 && !gone() && loop.now() < until) {
    co_await loop::SleepUntil(loop, std::min(until, loop.now() + pause));
    pause = std::min<Duration>(pause * 2, std::chrono::milliseconds(100));
  }
}

// When the tunnel has waited long enough, given when its last byte moved.
class Deadline {
 public:
  Deadline(const Patience& patience, Instant now) : patience_(patience), last_move_(now) {}

  void saw(uint64_t total, Instant now) {
    if (total == total_) return;
    total_ = total;
    last_move_ = now;
  }
  void one_side_ended() { half_closed_ = true; }

  Instant when() const {
    return std::min(
        {patience_.lifetime_end, deadline_after(last_move_, patience_.idle), half_closed_end()});
  }
  Code why(Instant now) const {
    if (now >= patience_.lifetime_end) return Code::kLifetime;
    return now >= half_closed_end() ? Code::kHalfClosed : Code::kIdle;
  }

 private:
  Instant half_closed_end() const {
    return half_closed_ ? deadline_after(last_move_, patience_.half_closed) : kNever;
  }

  const Patience& patience_;  // of carry()'s own frame
  Instant last_move_;
  uint64_t total_ = 0;
  bool half_closed_ = false;
};

Error cut(loop::Stream& client, loop::Stream& origin, Error error) {
  client.reset_on_close();
  origin.reset_on_close();
  return error;
}

// Arms `timer` for the sooner of both, and only when what it is armed for does not do: a deadline
// that has moved away, as it does with every byte, is found out when the timer fires.
void arm_lazily(loop::Timer& timer, Instant& armed_for, Instant wanted) {
  if (!timer.expired() && wanted >= armed_for) return;
  timer.arm(wanted);
  armed_for = wanted;
}

}  // namespace

loop::Task<std::optional<Error>> carry(loop::Loop& loop, Flow& up, Flow& down, Patience patience) {
  loop::Timer timer(loop);
  Instant armed_for = kNever;
  Deadline deadline(patience, loop.now());
  for (;;) {
    up.pump(loop.now());
    // An origin that answers early and resets (a 413 to a long upload): its answer lies in our
    // socket, in front of the error.
    if (up.state() == State::kWriteFailed && down.state() < State::kDone) down.withhold_end();
    down.pump(loop.now());
    if (const int error = takes_no_more(down.source(), up, down)) {
      deadline.one_side_ended();
      co_await let_client_finish(loop, up.source(), deadline.when());
      const Code code = down.withheld() ? Code::kOriginReset : Code::kOriginLeft;
      co_return cut(up.source(), down.source(), Error{code, error});
    }
    if (const auto error = failure(up.source(), down.source(), up, down))
      co_return cut(up.source(), down.source(), *error);
    const bool up_done = up.state() == State::kDone;
    const bool down_done = down.state() == State::kDone;
    if (up_done && down_done) co_return std::nullopt;
    if (up_done || down_done) deadline.one_side_ended();
    deadline.saw(up.carried().total() + down.carried().total(), loop.now());
    if (loop.now() >= deadline.when()) {
      co_return cut(up.source(), down.source(), Error{deadline.why(loop.now())});
    }
    loop::Wait wait(loop);
    if (up.state() == State::kBusy || down.state() == State::kBusy) {
      wait.soon();
    } else {
      arm_lazily(timer, armed_for, std::min({deadline.when(), up.resume_at(), down.resume_at()}));
      const uint8_t of_client = up.interest_in_source() | down.interest_in_sink();
      const uint8_t of_origin = down.interest_in_source() | up.interest_in_sink();
      wait.on(up.source().source(), of_client).on(down.source().source(), of_origin).until(timer);
    }
    co_await wait;
  }
}

}  // namespace penstock::tunnel
