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

// Ends with nothing when both directions were closed in order; otherwise kIdle, kHalfClosed,
// kLifetime, kClientReset, kOriginReset, or kOriginLeft: a reset from an origin that had ended its
// stream before. Then both streams have been told to reset on close, so that no peer takes a cut
// stream for a whole one; what the origin said is acknowledged by the client first.
// `up` carries client to origin. `patience` must outlive the task: each idle tunnel would hold a
// copy.
loop::Task<std::optional<Error>> carry(Flow& up, Flow& down, const Patience& patience);

}  // namespace penstock::tunnel
