// How a connection is told no.
#pragma once

#include "base/error.h"
#include "loop/task.h"
#include "session/connection.h"

namespace penstock::session {

// Sends the refusal that belongs to `error`, if there is somebody to tell, and closes. Nothing that
// the client sent behind its request is parsed or executed (RFC 9931): it is thrown away, for a
// bounded time, because closing with bytes unread would make the kernel send an RST that can
// overtake the refusal.
loop::Task<> refuse(Connection& c, Error error);

// Refuses a tunnel that is established already: a TLS client gets an alert, anybody else a reset.
loop::Task<> refuse_tunnel(Connection& c, Error error);

}  // namespace penstock::session
