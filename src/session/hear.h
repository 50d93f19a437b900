// Hearing a client out before there is a tunnel: what it says is collected in c.early.
// Thread: the worker's.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/reading.h"
#include "base/time.h"
#include "http/head.h"
#include "loop/task.h"
#include "session/connection.h"

namespace penstock::session {

// Waits until the client has said more, at most one buffer of it. kHeadTimeout at `deadline`,
// kClientGone when it has ended or failed.
loop::Task<std::optional<Error>> hear_more(Connection& c, Instant deadline);

// By when a request must have been read: absolute, so that a byte now and then does not move it.
Instant head_deadline(const Connection& c);
// How large it may be, where it is HTTP.
http::HeadLimits head_limits(const Connection& c);

// Waits for the whole head of a request of HTTP/1: how long it is. Refuses as soon as the bytes
// allow, so that a stranger gets one small buffer and one short clock.
loop::Task<Result<size_t>> hear_head(Connection& c);
// What was asked, for the log, where it was not understood.
void note_asked(Connection& c);

// Waits for a whole message, as `read` finds it at the front of c.early, by head_deadline(). What
// it says may point there, and stands until it is used up.
template <class T>
loop::Task<Result<Taken<T>>> hear_message(Connection& c,
                                          Reading<T> (*read)(std::span<const uint8_t>)) {
  for (;;) {
    auto reading = read(c.early);
    if (!reading) co_return std::unexpected(reading.error());
    if (*reading) co_return std::move(**reading);
    if (const auto failed = co_await hear_more(c, head_deadline(c))) {
      co_return std::unexpected(*failed);
    }
  }
}

// What was heard and is not used up yet, as characters.
std::string_view heard(const Connection& c);
// Its first `bytes` held credentials: they are overwritten, here and where they were read.
void wipe_heard(Connection& c, size_t bytes);
// Its first `bytes` are used up. What is left takes no more memory than it needs.
void use_up(Connection& c, size_t bytes);

}  // namespace penstock::session
