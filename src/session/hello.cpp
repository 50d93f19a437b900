#include "session/hello.h"

#include <array>

#include "tls/client_hello.h"
#include "tls/ja4.h"

namespace penstock::session {

using loop::Task;
using tunnel::Flow;
using Failure = std::optional<Error>;

namespace {

policy::TlsCheck tls_check(const Connection& c) {
  return c.story.rule ? c.story.rule->tls : policy::TlsCheck::kChecked;
}

// Parses what has been collected and writes down what a log line will say of it.
tls::HelloStep look_at(Connection& c, policy::Hello* hello) {
  std::array<uint8_t, tls::kClientHelloBytesMax> scratch;
  tls::ClientHello seen;
  const auto step = tls::read_client_hello(c.early, scratch, &seen);
  if (step == tls::HelloStep::kComplete) {
    // A longer name matches nothing, and a log line need not bear it.
    const auto bounded = [](std::string_view text) { return std::string(text.substr(0, 256)); };
    c.story.hello = std::make_unique<HelloNotes>(
        HelloNotes{bounded(seen.sni), bounded(seen.alpn), seen.ech, kNever});
    if (c.config().log.ja4) c.story.hello->ja4 = std::make_unique<std::string>(tls::ja4(seen));
    hello->tls = true;
    hello->sni = c.story.hello->sni;
    hello->ech = seen.ech;
  }
  hello->malformed = step == tls::HelloStep::kMalformed;
  return step;
}

// In report mode what would have been refused is noted and passes.
Failure judge(Connection& c, const policy::Hello& hello) {
  const auto refused = policy::Rules::judge_hello(c.story.rule, c.story.target, hello);
  if (!refused) return std::nullopt;
  if (c.config().rules->mode() == policy::Mode::kReport) {
    c.story.would_deny = true;
    return std::nullopt;
  }
  return Error{*refused};
}

// How `down` failed, in the words of a tunnel.
Failure failure_of(const Flow& down) {
  if (down.state() == Flow::State::kReadFailed) return Error{Code::kOriginReset, down.error()};
  if (down.state() == Flow::State::kWriteFailed) return Error{Code::kClientReset, down.error()};
  return std::nullopt;
}

// Until when to wait. A client of a protocol in which the server speaks first, or a browser that
// opens tunnels ahead of need, may stay silent as long as any idle tunnel; once a ClientHello has
// begun, or where the rule insists on one, it has `timeouts.hello`.
struct Patience {
  Instant until;
  Code then;
};

Patience patience(const Connection& c, const Flow& down, Instant began, Instant active) {
  const auto& timeouts = c.config().timeouts;
  // Report mode refuses nothing, and so does not insist either.
  const bool insists = tls_check(c) == policy::TlsCheck::kRequired &&
                       c.config().rules->mode() == policy::Mode::kEnforce;
  Patience out = down.state() == Flow::State::kDone
                     ? Patience{deadline_after(active, timeouts.half_closed), Code::kHalfClosed}
                     : Patience{deadline_after(active, timeouts.idle), Code::kIdle};
  const auto sooner = [&out](Instant until, Code then) {
    if (until < out.until) out = {until, then};
  };
  if (insists || !c.early.empty()) {
    sooner(deadline_after(began, timeouts.hello), Code::kHelloTimeout);
  }
  sooner(deadline_after(c.story.accepted, timeouts.lifetime), Code::kLifetime);
  return out;
}

// More of the client's first bytes; false: none now.
bool collect(Connection& c) {
  const auto buffer = c.worker.relay().buffer().first(tls::kClientHelloBytesMax);
  if (c.story.client_ended) return false;
  const loop::Moved moved = c.client.read(buffer);
  if (moved.failed()) c.story.error = Error{Code::kClientReset, moved.error()};
  if (moved.end()) c.story.client_ended = true;
  if (!moved.bytes()) return false;
  c.early.insert(c.early.end(), buffer.data(), buffer.data() + moved.count);
  return true;
}

// What the client's first bytes amount to; nothing yet: wait for more.
std::optional<policy::Hello> understood(Connection& c) {
  policy::Hello hello;
  const auto step = look_at(c, &hello);
  if (step != tls::HelloStep::kNeedMore) return hello;
  if (!c.story.client_ended) return std::nullopt;
  hello.malformed = !c.early.empty();  // a ClientHello cut short
  return hello;
}

}  // namespace

Task<> read_hello(Connection& c, Flow& down) {
  if (tls_check(c) == policy::TlsCheck::kIgnored) {
    c.story.unread_hello = true;
    co_return;
  }
  loop::Loop& loop = c.worker.loop();
  const Instant established = loop.now();
  Instant active = established;
  Instant began = established;  // of the ClientHello
  loop::Timer timer(loop);
  for (;;) {
    if (const auto hello = understood(c)) {
      if (hello->tls) {
        c.story.hello->passed_on = loop.now();
        c.story.times.hello.add(established, loop.now());
      }
      c.story.unread_hello = hello->malformed;
      c.story.error = judge(c, *hello);
      co_return;
    }
    const bool first = c.early.empty();
    if (collect(c)) {
      if (first) began = loop.now();
      continue;
    }
    if (c.story.error) co_return;
    if (c.story.client_ended) continue;

    const uint64_t carried = c.story.down.total();
    const auto state = down.pump(loop.now());
    c.story.error = failure_of(down);
    if (c.story.error) co_return;
    if (c.story.down.total() != carried) active = loop.now();
    if (state == Flow::State::kBusy) {
      co_await loop::Wait(loop).soon();
      continue;
    }
    const Patience limit = patience(c, down, began, active);
    if (loop.now() >= limit.until) {
      c.story.error = Error{limit.then};
      co_return;
    }
    timer.arm(std::min(limit.until, down.resume_at()));
    co_await loop::Wait(loop)
        .on(c.client.source(), static_cast<uint8_t>(loop::kReadable | down.interest_in_sink()))
        .on(c.origin.source(), down.interest_in_source())
        .until(timer);
  }
}

}  // namespace penstock::session
