#include "session/refusal.h"

#include <algorithm>

#include "session/entrance.h"
#include "tls/records.h"

namespace penstock::session {

using loop::Task;

namespace {

constexpr size_t kLingerBytes = 256 * 1024;
// Connections without a seat that may linger at one time, for each worker: they hold descriptors
// that nothing has budgeted.
constexpr size_t kUnseatedLinger = 64;
// Times in a row that one connection is told to say who asks.
constexpr int kChallengesMax = 4;
// When to try again where nothing was measured that says better.
constexpr int kRetryAfterSeconds = 1;

Task<> say_and_close(Connection& c, std::string_view words) {
  loop::Loop& loop = c.worker.loop();
  loop::Timer timer(loop);
  timer.arm(loop.now() + kLingerTime);
  if (co_await loop::write_all(loop, c.client, words, timer) != 0) co_return;
  co_await linger(c, timer);
}

// An established tunnel has no HTTP any more: a TLS client gets an alert, anybody else a reset.
bool may_alert(const Connection& c) {
  const bool began_tls = !c.early.empty() && c.early[0] == tls::kHandshakeRecord;
  // Where the origin has spoken already, an alert would be a forged part of its stream.
  const bool ours =
      c.story.error->facts().side == Side::kPolicy || c.story.error->code == Code::kMintFailed;
  return ours && began_tls && c.story.down.total() == 0;
}

// Such a client understands an alert and nothing else. One whose handshake failed has had it.
bool unsecured(const Connection& c) {
  return c.tls_context() && !c.client.transport() && c.story.error->code != Code::kTlsPlainHttp;
}

// Where trying again may help.
std::optional<int> seconds_to_wait(const Connection& c) {
  const int status = c.story.error->facts().status;
  if (status != 503 && status != 429) return std::nullopt;
  const int parents = c.story.parent ? c.story.parent->retry_after.value_or(0) : 0;
  return std::max({int{c.story.retry_after}, parents, kRetryAfterSeconds});
}

// Whoever is told to say who it is may do so by the same connection, a few times, if not one byte
// came behind its request: what came could be bytes of a tunnel that it thinks it has (RFC 9931).
bool may_ask_again(Connection& c) {
  if (c.story.error->facts().status != 407 || !c.may_repeat || c.worker.draining()) return false;
  if (c.challenges >= kChallengesMax || !c.early.empty()) return false;
  return c.client.read(c.worker.relay().buffer()).would_block();
}

Task<> say_and_go_on(Connection& c, std::string_view words) {
  loop::Timer timer(c.worker.loop());
  timer.arm(c.worker.loop().now() + kLingerTime);
  if (co_await loop::write_all(c.worker.loop(), c.client, words, timer) != 0) co_return;
  ++c.challenges;
  c.client_persists = true;
}

}  // namespace

Task<> linger(Connection& c, loop::Timer& timer) {
  c.client.shutdown_write();
  const auto buffer = c.worker.relay().buffer();
  if (!c.seated() && c.worker.unseated() > kUnseatedLinger) {
    (void)c.client.read(
        buffer);  // a request that is here already must not turn the close into an RST
    co_return;
  }
  for (size_t discarded = 0; discarded < kLingerBytes;) {
    const loop::Moved moved = c.client.read(buffer);
    if (moved.bytes()) {
      discarded += static_cast<size_t>(moved.count);
      continue;
    }
    if (!moved.would_block() || timer.expired()) co_return;
    co_await loop::Wait(c.worker.loop()).on(c.client.source(), loop::kReadable).until(timer);
  }
}

Task<> take_leave(Connection& c) {
  if (!c.story.error) co_return co_await say_and_close(c, {});
  const Error error = *c.story.error;
  const int status = error.facts().status;
  c.origin.reset_on_close();
  c.origin.close();
  c.port = admission::PortShare();
  if (unsecured(c)) co_return co_await say_and_close(c, status != 0 ? tls::kInternalError : "");
  std::optional<std::string> words;
  const bool goes_on = may_ask_again(c);
  if (!c.story.established && status != 0) {
    c.story.status = static_cast<int16_t>(status);
    const auto retry_after = seconds_to_wait(c);
    words = (c.entrance ? *c.entrance : http1()).refused(c, {retry_after, goes_on});
  } else if (c.story.established && may_alert(c)) {
    words = c.story.error->code == Code::kMintFailed ? tls::kInternalError : tls::kAccessDenied;
  }
  if (!words) {
    c.client.reset_on_close();
  } else if (goes_on) {
    co_await say_and_go_on(c, *words);
  } else {
    co_await say_and_close(c, *words);
  }
}

}  // namespace penstock::session
