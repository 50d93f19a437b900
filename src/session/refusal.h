// How a client is told no, or seen out.
#pragma once

#include <chrono>

#include "base/time.h"
#include "loop/loop.h"
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

// A client that goes on sending after the last word is listened to for so long in all, the last
// word included, and for a bounded number of bytes.
inline constexpr Duration kLingerTime = std::chrono::seconds(2);
// The last word has been said: tells the client so, and discards what comes until it closes or a
// limit is reached. `timer` is armed.
loop::Task<> linger(Connection& c, loop::Timer& timer);

}  // namespace penstock::session
