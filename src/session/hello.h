// The first bytes of a tunnel, looked at as they pass.
#pragma once

#include "loop/task.h"
#include "session/connection.h"
#include "tunnel/flow.h"

namespace penstock::session {

// Collects what the client says first into `c.early` until the rule can be held against it: the
// server name of a TLS ClientHello, or that it is no TLS. What the origin says meanwhile is
// carried by `down`, since in some protocols the server speaks first. Nothing of the client's
// reaches the origin before it has been judged. `c.story.error` says what came of it.
loop::Task<> read_hello(Connection& c, tunnel::Flow& down);

}  // namespace penstock::session
