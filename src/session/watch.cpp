#include "session/watch.h"

namespace penstock::session {

bool forwards_stream(const Connection& c) {
  return c.forward && c.forward->request.carrier == http::Carrier::kStream;
}

bool client_stays(Connection& c) {
  const auto buffer = c.worker.relay().buffer();
  while (!c.story.client_ended && c.early.size() < tunnel::Relay::kBufferBytes &&
         c.client.source().ready(loop::kReadable)) {
    const loop::Moved moved = c.client.read(buffer);
    if (moved.would_block()) break;
    if (moved.failed()) return false;
    if (moved.end()) {
      // A FIN alone may be a client that has said all it will say; one that has said nothing
      // has no use for a tunnel. Where its request is all that a stream has to say, it ends there.
      c.story.client_ended = true;
      return !c.early.empty() || forwards_stream(c);
    }
    c.early.insert(c.early.end(), buffer.data(), buffer.data() + moved.count);
  }
  return !forwards_stream(c) || !stream_is_broken(c);
}

bool stream_is_broken(Connection& c) {
  return c.client.source().ready(loop::kBroken) && c.client.pending_error() != 0;
}

}  // namespace penstock::session
