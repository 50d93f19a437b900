#include "session/trunk.h"

#include <cerrno>
#include <utility>

#include "session/entrance.h"
#include "session/hear.h"
#include "session/refusal.h"
#include "session/worker.h"

namespace penstock::session {
namespace {

using loop::Task;
using Failure = std::optional<Error>;

class Http2Trunk final : public Entrance {
 public:
  std::string_view protocol() const override { return "h2"; }

  // All requests that there are, each a connection of its own. The one that is returned is none.
  Task<Result<Request>> read_request(Connection& c) const override {
    c.is_trunk = true;
    Trunk trunk(c);
    const Failure failure = co_await trunk.carry();
    if (failure) co_return std::unexpected(*failure);
    co_return Request{};
  }
  std::string established(const Connection& /*c*/) const override { return {}; }
  std::optional<std::string> refused(const Connection& /*c*/,
                                     const Refusal& /*refusal*/) const override {
    return std::nullopt;
  }
};

}  // namespace

const Entrance& http2_trunk() {
  static const Http2Trunk entrance;
  return entrance;
}

Trunk::Trunk(Connection& c)
    : c_(c),
      work_(c.worker.loop()),
      session_({.head = head_limits(c), .scheme = c.inside ? "https" : "http"}, *this),
      frames_(c.client, session_, c.worker.relay()),
      alone_since_(c.worker.loop().now()) {
  c_.worker.enter(*this);
  c_.worker.metrics().http2_connections.add();
  c_.worker.metrics().http2_open.add();
}

Trunk::~Trunk() {
  lose_streams();
  publish();
  c_.worker.metrics().http2_open.subtract();
}

void Trunk::enter(Http2Stream& stream) {
  streams_.push_back(stream);
  ++count_;
}

void Trunk::leave(Http2Stream& stream) {
  stream.unlink();
  alone_since_ = c_.worker.loop().now();
  if (--count_ == 0) wake();  // from now on it is not without a limit
}

void Trunk::lose_streams() {
  arrived_.clear();
  while (!streams_.empty()) {
    streams_.front().lose_carrier(ECONNABORTED);
    --count_;
  }
}

// Those that are over for the client and not yet for us are counted as well: what a client may have
// at work here does not grow by its resetting them.
h2::Stream* Trunk::requested(h2::StreamId id, Result<h2::Request> request, std::string asked) {
  ++c_.streams;
  c_.worker.metrics().http2_streams.add();
  if (count_ >= h2::Limits().streams) return nullptr;
  arrived_.push_back(std::make_unique<Http2Stream>(
      *this, id, Http2Stream::Asked{std::move(request), std::move(asked)}));
  return arrived_.back().get();
}

// One that was reset in the same breath does not begin.
void Trunk::start_arrived() {
  for (auto& stream : std::exchange(arrived_, {})) {
    if (!stream->is_closed()) c_.worker.welcome(std::move(stream), c_);
  }
}

Failure Trunk::hear() {
  const auto ended = frames_.hear(c_.worker.loop().now());
  start_arrived();
  return ended ? Failure(Error{Code::kClientGone, *ended}) : std::nullopt;
}

Failure Trunk::say() {
  const auto ended = frames_.say();
  return ended ? Failure(Error{Code::kClientGone, *ended}) : std::nullopt;
}

// A client that has not asked for anything yet may do so once.
void Trunk::drain_if_told() {
  if (going_ || !c_.worker.draining() || c_.streams == 0) return;
  going_ = true;
  session_.go_away();
}

// With streams their tunnels have limits of their own.
Trunk::Limit Trunk::limit() const {
  if (count_ > 0) return {kNever, std::nullopt};
  if (c_.streams == 0) return {head_deadline(c_), Error{Code::kHeadTimeout}};
  return {deadline_after(alone_since_, c_.config().timeouts.idle), std::nullopt};
}

Task<Failure> Trunk::carry() {
  loop::Loop& loop = c_.worker.loop();
  loop::Timer timer(loop);
  if (!c_.early.empty()) {
    frames_.take_in(c_.early, loop.now());
    c_.early = {};
    start_arrived();
  }
  Failure failure;
  while (!failure) {
    work_.clear(loop::kReadable);
    drain_if_told();
    failure = hear();
    if (!failure) failure = say();
    publish();
    if (failure) {
      // However it has left: there is nothing that it could have cut.
      if (count_ == 0) co_return std::nullopt;
      break;
    }
    if (session_.failure() || (session_.over() && frames_.all_said())) {
      failure = session_.failure();
      break;
    }
    const Limit end = limit();
    if (loop.now() >= end.when) {
      session_.go_away();
      failure = end.then;
      break;
    }
    loop::Wait wait(loop);
    if (frames_.take_more()) {
      wait.soon();
    } else {
      timer.arm(end.when);
      wait.on(c_.client.source(), frames_.interest()).on(work_, loop::kReadable).until(timer);
    }
    co_await wait;
  }
  lose_streams();
  if (!failure || failure->code != Code::kClientGone) co_await part();
  publish();
  co_return failure;
}

// The client is to have the GOAWAY: closing with bytes unread would send an RST that overtakes it.
Task<> Trunk::part() {
  loop::Loop& loop = c_.worker.loop();
  loop::Timer timer(loop);
  timer.arm(loop.now() + kLingerTime);
  for (;;) {
    if (say()) co_return;
    if (frames_.all_said()) break;
    if (timer.expired()) co_return c_.client.reset_on_close();
    co_await loop::Wait(loop).on(c_.client.source(), loop::kWritable).until(timer);
  }
  co_await linger(c_, timer);
}

void Trunk::publish() {
  const h2::Session::Counts now = session_.counts();
  Metrics& metrics = c_.worker.metrics();
  metrics.http2_client_resets.add(now.client_resets - published_.client_resets);
  metrics.http2_proxy_resets.add(now.proxy_resets - published_.proxy_resets);
  metrics.http2_goaways.add(now.goaways - published_.goaways);
  published_ = now;
}

}  // namespace penstock::session
