#include "load/dialer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "http/answer.h"
#include "sys/socket.h"

namespace penstock::load {
namespace {

using loop::kReadable;
using loop::kWritable;
using loop::Moved;
using loop::Task;
using loop::Timer;
using loop::Wait;

sys::SysResult<sys::Fd> start_connect(Lane& lane) {
  auto fd = sys::start_connect(lane.next_hop(), lane.next_source());
  // An address that has run out of ports towards this destination says nothing about the others.
  for (size_t tried = 1; tried < lane.options().sources.size(); ++tried) {
    if (fd || fd.error() != EADDRNOTAVAIL) break;
    fd = sys::start_connect(lane.next_hop(), lane.next_source());
  }
  return fd;
}

Task<Failure> connect(Lane& lane, Wire& wire, Timer& timer) {
  auto fd = start_connect(lane);
  if (!fd) co_return failure_of(fd.error());
  wire = Wire(loop::Stream(lane.loop(), std::move(*fd)));
  while (!wire.source().ready(kWritable)) {
    if (timer.expired()) co_return "timed out connecting";
    co_await Wait(lane.loop()).on(wire.source(), kWritable).until(timer);
  }
  if (const int error = sys::pending_error(wire.stream().fd())) co_return failure_of(error);
  // A socket that connects to a port of its own address may meet itself (TCP's simultaneous open),
  // and would be taken for an origin that echoes.
  if (lane.options().sources.empty() &&
      sys::local_endpoint(wire.stream().fd()) == lane.next_hop()) {
    co_return failure_of(ECONNREFUSED);
  }
  co_return std::nullopt;
}

std::string refusal_of(const http::Answer& answer) {
  if (answer.error.empty()) return fmt::format("refused by the proxy: {}", answer.status);
  return fmt::format("refused by the proxy: {} {}", answer.status, answer.error);
}

// Sends the CONNECT and reads the answer to it.
Task<Failure> ask_proxy(Lane& lane, Wire& wire, Timer& timer) {
  const Failure unsent = co_await send_all(lane.loop(), wire, bytes_of(lane.request()), timer);
  if (unsent) co_return unsent;
  http::AnswerReader reader;
  std::string received;
  for (;;) {
    std::array<uint8_t, 1024> bytes;
    const Moved moved = wire.read(bytes);
    if (moved.failed()) co_return failure_of(moved.error());
    if (moved.end()) co_return "closed by the proxy without an answer";
    if (moved.would_block()) {
      if (timer.expired()) co_return "timed out waiting for the proxy";
      co_await Wait(lane.loop()).on(wire.source(), kReadable).until(timer);
      continue;
    }
    // SAFETY: chars are bytes.
    received.append(reinterpret_cast<const char*>(bytes.data()), static_cast<size_t>(moved.count));
    const auto complete = reader.advance(received);
    if (!complete)
      co_return "bad answer from the proxy: " + std::string(sentence(complete.error()));
    if (!*complete) continue;
    const http::Answer answer = reader.answer(received);
    if (!answer.tunnel()) co_return refusal_of(answer);
    // Our origins speak when they are spoken to.
    if (received.size() > answer.length) co_return "bytes that nobody asked for";
    co_return std::nullopt;
  }
}

Task<Failure> secure(Lane& lane, Wire& wire, Timer& timer) {
  const http::Authority& target = lane.options().target;
  wire.secure_with(*lane.tls(), target.literal ? std::string() : target.host);
  const Failure failure = co_await handshake(lane.loop(), wire, timer);
  if (failure) co_return "TLS handshake: " + *failure;
  co_return std::nullopt;
}

}  // namespace

PENSTOCK_OWN_FRAME Task<std::expected<Tunnel, std::string>> open_tunnel(Lane& lane,
                                                                        Results& results,
                                                                        Instant from,
                                                                        Timer& timer) {
  Wire wire;
  if (Failure failure = co_await connect(lane, wire, timer)) {
    co_return std::unexpected(std::move(*failure));
  }
  if (lane.options().way == Way::kConnect) {
    if (Failure failure = co_await ask_proxy(lane, wire, timer)) {
      co_return std::unexpected(std::move(*failure));
    }
  }
  const Instant connected = Clock::now();
  results.connect.record(connected - from);
  ++results.tunnels;
  if (lane.tls()) {
    if (Failure failure = co_await secure(lane, wire, timer)) {
      co_return std::unexpected(std::move(*failure));
    }
    results.tls.record(Clock::now() - connected);
  }
  co_return Tunnel(lane, std::move(wire));
}

std::vector<IpAddress> loopback_sources(const Endpoint& next_hop, int count) {
  std::vector<IpAddress> out;
  if (next_hop.address.v6 || next_hop.address.bytes[0] != 127) return out;
  // From 127.0.1.1 on, 200 of each 127.0.x: away from the addresses that services listen on.
  for (int i = 0; i < count; ++i) {
    const auto third = static_cast<uint8_t>(1 + i / 200 % 250);
    const auto second = static_cast<uint8_t>(i / 50'000);
    const auto source = IpAddress::from_v4(127, second, third, static_cast<uint8_t>(1 + i % 200));
    if (source != next_hop.address) out.push_back(source);
  }
  return out;
}

}  // namespace penstock::load
