// TLS with a client that came by an HTTPS listener: the handshake in front of its request, and who
// does the rest once it has a tunnel.
#pragma once

#include <optional>

#include "base/error.h"
#include "loop/task.h"
#include "session/connection.h"

namespace penstock::session {

// By `timeouts.head` after the connection began, which is the request's deadline as well. Behind it
// `c.client` speaks TLS and c.secured says with whom; a failure leaves both as they were.
loop::Task<std::optional<Error>> secure(Connection& c);

// A tunnel begins: where the client speaks TLS, the kernel does it from here on, if it can. What
// the client has sent already may come to lie in c.early.
void hand_to_kernel(Connection& c);

}  // namespace penstock::session
