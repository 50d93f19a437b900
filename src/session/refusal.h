// How a connection is told no.
#pragma once

#include "loop/task.h"
#include "session/connection.h"

namespace penstock::session {

// Tells the client why, in the words that its `story.error` and step allow: an HTTP refusal, a TLS
// alert once a ClientHello is what was refused, a reset where nothing can be said. Nothing that the
// client sent behind its request is parsed or executed (RFC 9931): it is thrown away, for a bounded
// time, because closing with bytes unread would make the kernel send an RST that can overtake the
// refusal.
loop::Task<> refuse(Connection& c);

}  // namespace penstock::session
