#include "loop/stream.h"

#include <sys/socket.h>

#include <utility>

#include "sys/calls.h"
#include "sys/socket.h"

namespace penstock::loop {

Stream Stream::accepted(Loop& loop, sys::Fd fd) {
  Stream out;
  out.fd_ = std::move(fd);
  out.source_ = Source(loop, out.fd_.get(), Source::Trigger::kEdge, kReadable);
  out.source_.suppose(kWritable);
  return out;
}

Moved Stream::read(std::span<uint8_t> into) {
  if (transport_) {
    // Only it knows what it still holds, so a short read says nothing of the socket.
    const Moved moved = transport_->read(into);
    if (moved.would_block()) source_.clear(kReadable);
    return moved;
  }
  return read_socket(into);
}

Moved Stream::read_socket(std::span<uint8_t> into) {
  const Moved moved{sys::calls::recv(fd_.get(), into.data(), into.size())};
  // A short read emptied the socket, so the next one would only say EAGAIN; unless a FIN or an
  // error is waiting behind the bytes, which no further edge would announce.
  const bool emptied = moved.bytes() && static_cast<size_t>(moved.count) < into.size();
  if (moved.would_block() || (emptied && !source_.ready(kHangup))) source_.clear(kReadable);
  return moved;
}

Moved Stream::write(std::span<const uint8_t> from) {
  if (transport_) {
    const Moved moved = transport_->write(from);
    if (moved.would_block()) source_.clear(kWritable);
    return moved;
  }
  return write_socket(from);
}

Moved Stream::write_socket(std::span<const uint8_t> from) {
  const Moved moved{sys::calls::send(fd_.get(), from.data(), from.size())};
  const bool filled = moved.bytes() && static_cast<size_t>(moved.count) < from.size();
  if (moved.would_block() || filled) source_.clear(kWritable);
  return moved;
}

bool Stream::silent() {
  uint8_t byte;
  if (transport_) {
    source_.suppose(kReadable);  // or it would not ask the kernel
    return read({&byte, 1}).would_block();
  }
  return fd_ && Moved{sys::calls::peek(fd_.get(), &byte, 1)}.would_block();
}

long Stream::unsent() const {
  return (fd_ ? sys::calls::unsent(fd_.get()) : 0) + (transport_ ? transport_->unsent() : 0);
}

int Stream::pending_error() const {
  return fd_ ? sys::pending_error(fd_.get()) : transport_->pending_error();
}

bool Stream::guard(Duration quiet, Duration unacknowledged) {
  if (!fd_ || std::exchange(guarded_, true)) return false;
  sys::set_liveness(fd_.get(), quiet, unacknowledged);
  return true;
}

bool Stream::shutdown_write() {
  if (transport_) {
    const bool told = transport_->shutdown_write();
    if (!told) source_.clear(kWritable);
    return told;
  }
  sys::calls::shutdown(fd_.get(), SHUT_WR);
  return true;
}

void Stream::reset_on_close() {
  if (fd_) {
    sys::reset_on_close(fd_.get());
  } else if (transport_) {
    transport_->reset_on_close();
  }
}

void Stream::close() {
  transport_.reset();
  source_.forget();
  fd_.reset();
}

Task<bool> readable(Loop& loop, Stream& stream, Timer& timer) {
  while (!stream.source().ready(kReadable)) {
    if (timer.expired()) co_return false;
    co_await Wait(loop).on(stream.source(), kReadable).until(timer);
  }
  co_return true;
}

Task<int> write_all(Loop& loop, Stream& stream, std::string_view bytes, Timer& timer) {
  while (!bytes.empty()) {
    // SAFETY: chars are bytes.
    const auto* start = reinterpret_cast<const uint8_t*>(bytes.data());
    const Moved moved = stream.write({start, bytes.size()});
    if (moved.failed()) co_return moved.error();
    if (moved.bytes()) {
      bytes.remove_prefix(static_cast<size_t>(moved.count));
      continue;
    }
    if (timer.expired()) co_return ETIMEDOUT;
    co_await Wait(loop).on(stream.source(), kWritable).until(timer);
  }
  co_return 0;
}

}  // namespace penstock::loop
