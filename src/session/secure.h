// The TLS handshake with a client that came by an HTTPS listener, in front of its request.
#pragma once

#include <optional>

#include "base/error.h"
#include "loop/task.h"
#include "session/connection.h"

namespace penstock::session {

// By `timeouts.head` after the connection began, which is the request's deadline as well. Behind it
// `c.client` speaks TLS and c.secured says with whom; a failure leaves both as they were.
loop::Task<std::optional<Error>> secure(Connection& c);

}  // namespace penstock::session
