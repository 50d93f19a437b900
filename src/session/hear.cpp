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

loop::Task<Result<size_t>> hear_head(Connection& c) {
  http::HeadReader reader(head_limits(c));
  for (;;) {
    const auto complete = reader.advance(heard(c));
    std::optional<Error> failure;
    if (!complete) {
      failure = complete.error();
    } else if (*complete) {
      co_return reader.length();
    } else {
      failure = co_await hear_more(c, head_deadline(c));
    }
    if (!failure) continue;
    note_asked(c);
    co_return std::unexpected(*failure);
  }
}

void note_asked(Connection& c) {
  const auto line = http::sketch_request_line(heard(c));
  c.story.asked =
      std::make_unique<std::string>(std::string(line.method) + " " + std::string(line.target));
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
