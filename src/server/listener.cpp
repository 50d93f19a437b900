#include "server/listener.h"

#include <algorithm>
#include <cerrno>

#include "http/reply.h"
#include "sys/calls.h"
#include "sys/socket.h"
#include "tls/records.h"

namespace penstock::server {
namespace {

// Connections taken at most before others of this worker get their turn.
constexpr int kBatchMax = 32;
// How long to leave the queue alone when there is no descriptor for whoever waits in it.
constexpr Duration kPause = std::chrono::milliseconds(20);

bool out_of_descriptors(int error) {
  return error == EMFILE || error == ENFILE;
}

}  // namespace

Listener::Listener(session::Worker& worker, sys::Fd fd, uint16_t place)
    : worker_(worker), fd_(std::move(fd)), place_(place), reserve_(sys::calls::eventfd()) {
  tasks_.start(accept_all());
}

Listener::~Listener() {
  tasks_.end_all();
  source_.forget_shared(fd_.get());
}

// Level-triggered, since then epoll says whether somebody is left in the queue, and not an
// accept(2) that fails. How many to take before asking grows while the queue outlasts a turn.
void Listener::watch() {
  source_ = loop::Source(worker_.loop(), fd_.get(), loop::Source::Trigger::kLevel, loop::kReadable);
}

loop::RootTask Listener::accept_all() {
  loop::Loop& loop = worker_.loop();
  watch();
  for (int batch = 1;;) {
    const uint64_t turn = loop.usage().turns;
    co_await loop::Wait(loop).on(source_, loop::kReadable);
    source_.clear(loop::kReadable);
    if (loop.usage().turns > turn + 1) batch = 1;
    const auto taken = accept_some(batch);
    if (taken) {
      batch = std::clamp(*taken < batch ? *taken : batch + 1, 1, kBatchMax);
      continue;
    }
    worker_.metrics().accept_errors.add();
    if (out_of_descriptors(taken.error())) shed_one();
    // Unwatched, or a queue that nobody can empty would wake the loop at once, again and again.
    source_.forget_shared(fd_.get());
    co_await loop::SleepUntil(loop, loop.now() + kPause);
    watch();
  }
}

// How many were taken: `batch`, or all there were.
sys::SysResult<int> Listener::accept_some(int batch) {
  int taken = 0;
  while (taken < batch) {
    auto accepted = sys::accept_connection(fd_.get());
    if (accepted) {
      worker_.welcome(std::move(accepted->fd), accepted->peer, worker_.door().take_seat(), place_);
      ++taken;
      continue;
    }
    if (accepted.error() == EAGAIN) break;
    // Errors of the connection that was to be accepted (accept(2)): it is gone, the next may not
    // be.
    if (accepted.error() == ECONNABORTED || accepted.error() == EPROTO) continue;
    return std::unexpected(accepted.error());
  }
  return taken;
}

void Listener::accept_rest() {
  // Bounded, since under a flood there is always one more.
  for (int taken = 0; taken < sys::ListenOptions().backlog; ++taken) {
    auto accepted = sys::accept_connection(fd_.get());
    if (!accepted) return;
    worker_.welcome(std::move(accepted->fd), accepted->peer, worker_.door().take_seat(), place_);
  }
}

void Listener::shed_one() {
  reserve_.reset();
  if (auto accepted = sys::accept_connection(fd_.get())) {
    worker_.metrics().shed.add();
    const bool secured = worker_.situation()->tls_context(place_) != nullptr;
    const std::string reply = secured ? std::string(tls::kInternalError)
                                      : http::refusal_reply(Error{Code::kNoDescriptor}, {1});
    sys::calls::send(accepted->fd.get(), reply.data(), reply.size());
    sys::calls::shutdown(accepted->fd.get(), SHUT_WR);
    // What has arrived is taken out, or the close would send an RST that overtakes the reply.
    const auto buffer = worker_.relay().buffer();
    sys::calls::recv(accepted->fd.get(), buffer.data(), buffer.size());
  }
  reserve_ = sys::Fd(sys::calls::eventfd());
}

}  // namespace penstock::server
