// What is asked, and who asks (steps 1 and 2): by address, by certificate, or by credentials that
// others check meanwhile.
// Thread: the worker's.
#pragma once

#include <optional>

#include "base/error.h"
#include "loop/task.h"
#include "session/connection.h"

namespace penstock::session {

// Reads what the client asks for, and finds out who it is by `c.config().identity`, where there is
// one; notes both in `c`. That waits where credentials are not known yet, at most
// `timeouts.identify`.
loop::Task<std::optional<Error>> hear_request(Connection& c);

}  // namespace penstock::session
