#include "session/watch.h"

namespace penstock::session {

bool client_stays(Connection& c) {
  const auto buffer = c.worker.relay().buffer();
  while (!c.story.client_ended && c.early.size() < tunnel::Relay::kBufferBytes &&
         c.client.source().ready(loop::kReadable)) {
    const loop::Moved moved = c.client.read(buffer);
    if (moved.would_block()) break;
    if (moved.failed()) return false;
    if (moved.end()) {
      // A FIN alone may be a client that has said all it will say; one that has said nothing
      // has no use for a tunnel.
      c.story.client_ended = true;
      return !c.early.empty();
    }
    c.early.insert(c.early.end(), buffer.data(), buffer.data() + moved.count);
  }
  return true;
}

}  // namespace penstock::session
