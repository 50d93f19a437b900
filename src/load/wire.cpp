#include "load/wire.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace penstock::load {

using loop::kReadable;
using loop::kWritable;
using loop::Loop;
using loop::Moved;
using loop::Task;
using loop::Timer;
using loop::Wait;

std::string failure_of(int error) {
  switch (error) {
    case ECONNRESET:
    case EPIPE: return "reset by the peer";
    case ETIMEDOUT: return kTimedOut;
    case ECONNREFUSED: return "connection refused";
    case EADDRNOTAVAIL: return "out of ports";
    case EMFILE:
    case ENFILE: return "out of descriptors";
    case ENOBUFS:
    case ENOMEM: return "out of memory";
    case ENETUNREACH:
    case EHOSTUNREACH: return "no route";
    case EPROTO: return "TLS failed";
    default: return fmt::format("errno {}", error);
  }
}

Task<Failure> handshake(Loop& loop, Wire& wire, Timer& timer) {
  for (;;) {
    const Moved moved = wire.tls()->handshake(wire.stream());
    if (moved.bytes()) co_return std::nullopt;
    if (moved.end()) co_return kClosedByPeer;
    if (moved.failed()) co_return failure_of(moved.error());
    if (timer.expired()) co_return kTimedOut;
    co_await Wait(loop).on(wire.source(), wire.tls()->needs()).until(timer);
  }
}

Task<Failure> send_all(Loop& loop, Wire& wire, std::span<const uint8_t> bytes, Timer& timer) {
  while (!bytes.empty()) {
    const Moved moved = wire.write(bytes);
    if (moved.failed()) co_return failure_of(moved.error());
    if (moved.bytes()) {
      bytes = bytes.subspan(static_cast<size_t>(moved.count));
      continue;
    }
    if (timer.expired()) co_return kTimedOut;
    co_await Wait(loop).on(wire.source(), wire.needs(kWritable)).until(timer);
  }
  co_return std::nullopt;
}

Task<Failure> expect_bytes(Loop& loop, Wire& wire, std::span<const uint8_t> bytes,
                           std::span<uint8_t> scratch, Timer& timer) {
  while (!bytes.empty()) {
    const Moved moved = wire.read(scratch.first(std::min(bytes.size(), scratch.size())));
    if (moved.failed()) co_return failure_of(moved.error());
    if (moved.end()) co_return kClosedByPeer;
    if (moved.bytes()) {
      const auto count = static_cast<size_t>(moved.count);
      // SAFETY: count is no more than either holds.
      if (std::memcmp(scratch.data(), bytes.data(), count) != 0) co_return kWrongBytes;
      bytes = bytes.subspan(count);
      continue;
    }
    if (timer.expired()) co_return kTimedOut;
    co_await Wait(loop).on(wire.source(), wire.needs(kReadable)).until(timer);
  }
  co_return std::nullopt;
}

Task<Failure> expect_end(Loop& loop, Wire& wire, Timer& timer) {
  for (;;) {
    std::array<uint8_t, 16> more;
    const Moved moved = wire.read(more);
    if (moved.failed()) co_return failure_of(moved.error());
    if (moved.end()) co_return std::nullopt;
    if (moved.bytes()) co_return kWrongBytes;
    if (timer.expired()) co_return kTimedOut;
    co_await Wait(loop).on(wire.source(), wire.needs(kReadable)).until(timer);
  }
}

Task<Failure> end_writing(Loop& loop, Wire& wire, Timer& timer) {
  while (wire.secure()) {
    const Moved moved = wire.tls()->close_notify(wire.stream());
    if (moved.bytes()) break;
    if (moved.failed()) co_return failure_of(moved.error());
    if (timer.expired()) co_return kTimedOut;
    co_await Wait(loop).on(wire.source(), wire.tls()->needs()).until(timer);
  }
  wire.stream().shutdown_write();
  co_return std::nullopt;
}

}  // namespace penstock::load
