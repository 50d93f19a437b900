// Settling: one story becomes one log line and one set of counters, and nothing else logs or
// counts a connection.
#pragma once

#include "session/connection.h"

namespace penstock::session {

// When the connection has ended.
void settle(Connection& c);

// What tells this connection from every other, also of other runs: the log's `id`.
std::string log_id(const Connection& c);
// The same of one that is known by its number only.
std::string log_id(const Worker& worker, uint64_t connection);

// For a tunnel that goes on: the same line with outcome "open".
void log_progress(Connection& c);

}  // namespace penstock::session
