// How a client is told no, or seen out.
#pragma once

#include "loop/task.h"
#include "session/connection.h"

namespace penstock::session {

// Ends a connection that is no tunnel. One with an error is told why, in the words that its
// `story.error` and step allow: an HTTP refusal, a TLS alert once a ClientHello is what was
// refused, a reset where nothing can be said. One without has had its last answer. Nothing that the
// client sent behind its request is parsed or executed (RFC 9931): it is thrown away, for a bounded
// time, because closing with bytes unread would make the kernel send an RST that can overtake what
// was said. A 407 may leave the connection open (c.client_persists).
loop::Task<> take_leave(Connection& c);

}  // namespace penstock::session
