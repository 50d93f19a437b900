// The client is watched while others are waited for: one that has gone frees what it holds at once.
// What it sends early is kept, up to one buffer.
// Thread: the worker's.
#pragma once

#include <utility>

#include "base/error.h"
#include "loop/alongside.h"
#include "loop/task.h"
#include "session/connection.h"
#include "tunnel/relay.h"

namespace penstock::session {

// Reads what it has sent. False: it has left.
bool client_stays(Connection& c);

// Whether the client is a stream of HTTP/2 whose request is forwarded: its end is its request's.
bool forwards_stream(const Connection& c);
// Whether such a client was reset, or has lost its connection.
bool stream_is_broken(Connection& c);

// kClientGone as soon as it has left; `task` is dropped then.
template <class T>
loop::Task<Result<T>> while_client_stays(Connection& c, loop::Task<Result<T>> task) {
  loop::Alongside<Result<T>> work(c.worker.loop(), std::move(task));
  while (!work.done()) {
    const bool room = !c.story.client_ended && c.early.size() < tunnel::Relay::kBufferBytes;
    co_await loop::Wait(c.worker.loop())
        .on(c.client.source(), room ? loop::kReadable : uint8_t{0})
        .until_done(work);
    if (!client_stays(c)) co_return fail(Code::kClientGone);
  }
  co_return work.take();
}

}  // namespace penstock::session
