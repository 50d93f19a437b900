#include "server/listener.h"

#include <cerrno>

#include "http/reply.h"
#include "sys/calls.h"
#include "sys/socket.h"

namespace penstock::server {
namespace {

// Connections taken before others of this worker get their turn.
constexpr int kBatch = 32;
// How long to leave the queue alone when there is no descriptor for whoever waits in it.
constexpr Duration kPause = std::chrono::milliseconds(20);

bool out_of_descriptors(int error) {
  return error == EMFILE || error == ENFILE;
}

}  // namespace

Listener::Listener(session::Worker& worker, sys::Fd fd)
    : worker_(worker),
      fd_(std::move(fd)),
      source_(worker.loop(), fd_.get(), loop::Source::Trigger::kEdge, loop::kReadable),
      reserve_(sys::calls::eventfd()) {
  tasks_.start(accept_all());
}

Listener::~Listener() {
  tasks_.end_all();
  source_.forget_shared(fd_.get());
}

loop::RootTask Listener::accept_all() {
  loop::Loop& loop = worker_.loop();
  for (int taken = 0;;) {
    auto accepted = sys::accept_connection(fd_.get());
    if (accepted) {
      worker_.welcome(std::move(accepted->fd), accepted->peer, worker_.door().take_seat());
      if (++taken % kBatch == 0) co_await loop::Wait(loop).soon();
      continue;
    }
    if (accepted.error() == EAGAIN) {
      source_.clear(loop::kReadable);
      co_await loop::Wait(loop).on(source_, loop::kReadable);
      continue;
    }
    // Errors of the connection that was to be accepted (accept(2)): it is gone, the next may not
    // be.
    if (accepted.error() == ECONNABORTED || accepted.error() == EPROTO) continue;
    worker_.metrics().accept_errors.add();
    if (out_of_descriptors(accepted.error())) shed_one();
    co_await loop::SleepUntil(loop, loop.now() + kPause);
  }
}

void Listener::accept_rest() {
  // Bounded, since under a flood there is always one more.
  for (int taken = 0; taken < sys::ListenOptions().backlog; ++taken) {
    auto accepted = sys::accept_connection(fd_.get());
    if (!accepted) return;
    worker_.welcome(std::move(accepted->fd), accepted->peer, worker_.door().take_seat());
  }
}

void Listener::shed_one() {
  reserve_.reset();
  if (auto accepted = sys::accept_connection(fd_.get())) {
    worker_.metrics().shed.add();
    const std::string reply = http::refusal_reply(Error{Code::kNoDescriptor}, 1);
    sys::calls::send(accepted->fd.get(), reply.data(), reply.size());
    sys::calls::shutdown(accepted->fd.get(), SHUT_WR);
    // What has arrived is taken out, or the close would send an RST that overtakes the reply.
    const auto buffer = worker_.relay().buffer();
    sys::calls::recv(accepted->fd.get(), buffer.data(), buffer.size());
  }
  reserve_ = sys::Fd(sys::calls::eventfd());
}

}  // namespace penstock::server
