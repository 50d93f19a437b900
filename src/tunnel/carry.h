// Both directions of a tunnel until it ends. A half-close is passed on and the other direction
// goes on; a reset becomes a reset.
// Thread: the worker's.   Cancelling: destroy the task, then the streams.
// Cost: one coroutine frame for both directions; timers are looked at when they fire, never per
// byte.
#pragma once

#include <optional>

#include "base/error.h"
#include "base/time.h"
#include "loop/loop.h"
#include "loop/task.h"
#include "tunnel/flow.h"

namespace penstock::tunnel {

// A Duration of zero means "no limit".
struct Patience {
  Duration idle;         // no byte in either direction
  Duration half_closed;  // one side has ended and the other is silent
  Instant lifetime_end;  // kNever: no limit
};

// Ends with nothing when both directions were closed in order, or when the origin had said all it
// had to say and then takes no more (a server that answers and closes while its client still sends
// a TLS close_notify: the ordinary end of a short exchange); otherwise kIdle, kHalfClosed,
// kLifetime, kClientReset or kOriginReset. In every case but the first, both streams have been told
// to reset on close, so that no peer takes a cut stream for a whole one. An origin's reset behind
// its end is passed on once the client has acknowledged the answer.
// `up` carries client to origin.
loop::Task<std::optional<Error>> carry(loop::Loop& loop, loop::Stream& client, loop::Stream& origin,
                                       Flow& up, Flow& down, Patience patience);

}  // namespace penstock::tunnel
