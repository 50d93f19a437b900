// The PROXY protocol around a tunnel: what a sender in front of us announces of its client, and
// what we announce of ours.
//
// Thread: the worker's.
#pragma once

#include <optional>

#include "base/error.h"
#include "loop/task.h"
#include "session/connection.h"

namespace penstock::session {

// Reads the header that every connection by a listener with announcers begins with, within
// `timeouts.head`. From then on the announced client is who asks, for rules, quotas and the log.
// Bytes behind the header are left in c.early.
loop::Task<std::optional<Error>> hear_announcement(Connection& c);

// Tells the origin who its client is, before anything else is said to it: where the rule announces.
loop::Task<std::optional<Error>> announce_client(Connection& c);

}  // namespace penstock::session
