#include "tunnel/carry.h"

#include <algorithm>
#include <utility>

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
  if (!stream.source().ready(loop::kBroken) || reader.interest_in_source() != 0) return 0;
  if (reader.ended()) stream.source().clear(loop::kBroken);
  return stream.pending_error();
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

// Looks again and again for as long as `left` counts bytes, `stream` is there and it is not
// `until`.
loop::Task<> while_any(loop::Loop& loop, loop::Stream& stream, long (*left)(const loop::Stream&),
                       Instant until) {
  Duration pause = std::chrono::milliseconds(1);
  const auto gone = [&stream] {
    return stream.source().ready(loop::kBroken) && stream.pending_error() != 0;
  };
  while (left(stream) > 0 && !gone() && loop.now() < until) {
    co_await loop::SleepUntil(loop, std::min(until, loop.now() + pause));
    pause = std::min<Duration>(pause * 2, std::chrono::milliseconds(100));
  }
}

// The origin has ended its stream and now refuses the client's: that is over, and what it said
// has to arrive. Closing is put off until the client's kernel has acknowledged all of it, because a
// close with bytes of the client's unread sends an RST and throws away what is still to be sent.
// What a client that has gone did not acknowledge stays unsent for ever.
loop::Task<> let_client_finish(loop::Loop& loop, loop::Stream& client, Instant until) {
  co_await while_any(loop, client, [](const loop::Stream& s) { return s.unsent(); }, until);
}

// What a transport that is done holds back: no socket tells when it has left, and a close would
// throw it away.
long held_back(const loop::Stream& stream) {
  return stream.fd() >= 0 && stream.transport() ? stream.transport()->unsent() : 0;
}

// Until when the tunnel may wait, and what it is called once it has.
struct Limit {
  Instant when;
  Code why;
};

Limit limit_of(const Patience& patience, Instant silent_since, bool half_closed) {
  Limit limit{patience.lifetime_end, Code::kLifetime};
  const auto sooner = [&](Duration silence, Code why) {
    const Instant when = deadline_after(silent_since, silence);
    if (when < limit.when) limit = {when, why};
  };
  if (half_closed) sooner(patience.half_closed, Code::kHalfClosed);
  sooner(patience.idle, Code::kIdle);
  return limit;
}

// Out of line: clang would keep what it reads in the frame of every idle tunnel.
[[gnu::noinline]] Instant last_move(const Flow& up, const Flow& down) {
  return std::max(up.carried().last, down.carried().last);
}

Error cut(loop::Stream& client, loop::Stream& origin, Error error) {
  client.reset_on_close();
  origin.reset_on_close();
  return error;
}

// In a frame of its own, which an idle tunnel does not have.
PENSTOCK_OWN_FRAME loop::Task<std::optional<Error>> end_behind_answer(Flow& up, Flow& down,
                                                                      Instant until, int error) {
  co_await let_client_finish(up.loop(), up.source(), until);
  const Code code = down.withheld() ? Code::kOriginReset : Code::kOriginLeft;
  co_return cut(up.source(), down.source(), Error{code, error});
}

// Both have ended, and all that is left is for the kernel to pass on.
PENSTOCK_OWN_FRAME loop::Task<std::optional<Error>> end_when_passed_on(Flow& up, Flow& down,
                                                                       Instant until) {
  for (loop::Stream* const sink : {&down.sink(), &up.sink()}) {
    co_await while_any(up.loop(), *sink, held_back, until);
    if (held_back(*sink) == 0) continue;
    const Code gone = sink == &down.sink() ? Code::kClientReset : Code::kOriginReset;
    const bool broken = sink->source().ready(loop::kBroken);
    co_return cut(up.source(), down.source(), Error{broken ? gone : Code::kHalfClosed});
  }
  co_return std::nullopt;
}

// `flow` has passed its end on, and nothing says that its sink had ended before: neither a read of
// `back` nor a report of the loop's.
bool ended_first(const Flow& flow, const Flow& back) {
  return flow.state() == State::kDone && !back.ended() &&
         !back.source().source().ready(loop::kHangup);
}

// Arms `timer` only if it would fire too late: a deadline that has moved away, as it does with
// every byte, is found out when the timer fires.
void arm_lazily(loop::Timer& timer, Instant wanted) {
  if (!timer.fires_by(wanted)) timer.arm(wanted);
}

}  // namespace

loop::Task<std::optional<Error>> carry(Flow& up, Flow& down, const Patience& patience) {
  loop::Timer timer(up.loop());
  const auto now = [&timer] { return timer.loop().now(); };
  for (;;) {
    if (down.state() == State::kDone) up.close_follows();
    up.pump(now());
    if (ended_first(up, down)) up.note_ended_first();
    // An origin that answers early and resets (a 413 to a long upload): its answer lies in our
    // socket, in front of the error.
    if (up.state() == State::kWriteFailed && down.state() < State::kDone) down.withhold_end();
    if (up.state() == State::kDone) down.close_follows();
    down.pump(now());
    if (const int error = takes_no_more(down.source(), up, down)) {
      const Instant until = limit_of(patience, last_move(up, down), true).when;
      co_return co_await end_behind_answer(up, down, until, error);
    }
    if (const auto error = failure(up.source(), down.source(), up, down))
      co_return cut(up.source(), down.source(), *error);
    const bool up_done = up.state() == State::kDone;
    const bool down_done = down.state() == State::kDone;
    const Limit limit = limit_of(patience, last_move(up, down), up_done || down_done);
    if (up_done && down_done) {
      if (held_back(down.sink()) + held_back(up.sink()) == 0) co_return std::nullopt;
      co_return co_await end_when_passed_on(up, down, limit.when);
    }
    if (now() >= limit.when) co_return cut(up.source(), down.source(), Error{limit.why});
    loop::Wait wait(timer.loop());
    if (up.state() == State::kBusy || down.state() == State::kBusy) {
      wait.soon();
    } else {
      arm_lazily(timer, std::min({limit.when, up.resume_at(), down.resume_at()}));
      const uint8_t of_client = up.interest_in_source() | down.interest_in_sink();
      const uint8_t of_origin = down.interest_in_source() | up.interest_in_sink();
      wait.on(up.source().source(), of_client).on(down.source().source(), of_origin).until(timer);
    }
    co_await wait;
  }
}

}  // namespace penstock::tunnel
