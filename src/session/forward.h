// A request that is forwarded: from its connected origin to the end of its answer.
// Thread: the worker's.
#pragma once

#include <optional>

#include "base/error.h"
#include "loop/task.h"
#include "session/connection.h"

namespace penstock::session {

// Sends the request on and carries its answer, bodies in both directions at once. Nothing: the
// answer is with the client, whole, or the origin has made a tunnel of it (c.forward->switched). An
// error before the answer's head was passed on is still to be told to the client; after it both
// sides have been told to reset, so that nobody takes a cut answer for a whole one. The origin's
// connection goes to the worker's idle ones if it may be used again.
loop::Task<std::optional<Error>> forward(Connection& c);

// Whether `failure` of forward() says no more than that a connection which had been idle was dead,
// or a stream was sent back unread: not a byte of an answer came, and the request may be sent
// again.
bool was_stale(const Connection& c, const Error& failure);

}  // namespace penstock::session
