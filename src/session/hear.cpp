#include "session/hear.h"

#include <string.h>

#include <algorithm>

#include "base/bytes.h"

namespace penstock::session {

loop::Task<std::optional<Error>> hear_more(Connection& c, Instant deadline) {
  loop::Loop& loop = c.worker.loop();
  const auto buffer = c.worker.relay().buffer();
  loop::Moved moved = c.client.read(buffer);
  if (moved.would_block()) {
    loop::Timer timer(loop);
    timer.arm(deadline);
    do {
      if (timer.expired()) co_return Error{Code::kHeadTimeout};
      co_await loop::Wait(loop).on(c.client.source(), loop::kReadable).until(timer);
      moved = c.client.read(buffer);
    } while (moved.would_block());
  }
  if (!moved.bytes()) co_return Error{Code::kClientGone, moved.error()};
  c.early.insert(c.early.end(), buffer.data(), buffer.data() + moved.count);
  co_return std::nullopt;
}

Instant head_deadline(const Connection& c) {
  return deadline_after(c.story.accepted, c.config().timeouts.head);
}

http::HeadLimits head_limits(const Connection& c) {
  return {c.config().limits.head_bytes, c.config().limits.head_fields};
}

std::string_view heard(const Connection& c) {
  return text_of(c.early);
}

void wipe_heard(Connection& c, size_t bytes) {
  ::explicit_bzero(c.early.data(), bytes);
  const auto buffer = c.worker.relay().buffer();
  ::explicit_bzero(buffer.data(), std::min(bytes, buffer.size()));
}

void use_up(Connection& c, size_t bytes) {
  c.early = {c.early.begin() + static_cast<ptrdiff_t>(bytes), c.early.end()};
}

}  // namespace penstock::session
