// A tunnel that is read because its owner's rule says so (`inspect`): the proxy is the origin to
// the client and the client to the origin. Nothing of that happens to any other tunnel. Thread: the
// worker's.
#pragma once

#include "loop/task.h"
#include "session/connection.h"
#include "tunnel/carry.h"

namespace penstock::session {

// Whether it is to be read, now that its ClientHello is known.
bool is_to_be_read(Connection& c);

// The origin is looked at first; then the client is shown a leaf of the owner's CA, which says of
// the origin what was found. What comes inside is HTTP, and handed on request by request
// (c.client_persists); or something else, which is carried here to its end where the rule permits.
// c.story.error says what came of it.
loop::Task<> inspect(Connection& c, const tunnel::Patience& patience);

}  // namespace penstock::session
