#include "load/origin_visit.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/ascii.h"
#include "load/pattern.h"

namespace penstock::load {
namespace {

using loop::kReadable;
using loop::kWritable;
using loop::Moved;
using loop::Task;
using loop::Timer;
using loop::Wait;

constexpr size_t kSlowBytesPerSecond = 1024;
constexpr size_t kSlowBytesAtOnce = 128;

// An origin waits for its clients for as long as they like.
class Visit {
 public:
  Visit(House& house, Wire& wire) : house_(house), wire_(wire), never_(house.loop) {}

  Task<> behave(Behaviour behaviour);

 private:
  // `first`, `order`: what has been read already.
  Task<> echo(std::string first, size_t per_second);
  Task<> source(std::string order);
  Task<> sink(std::string first);
  Task<> silence();
  Task<> reset();
  Task<> choose();

  // Reads once into the front of the scratch: how many bytes; 0: the end, or an error.
  Task<size_t> read(size_t most);
  Task<bool> write(std::span<const uint8_t> bytes);
  Task<> end();

  std::span<uint8_t> scratch() { return house_.scratch; }

  House& house_;
  Wire& wire_;
  Timer never_;
};

Task<size_t> Visit::read(size_t most) {
  for (;;) {
    const Moved moved = wire_.read(scratch().first(std::min(most, scratch().size())));
    if (!moved.would_block()) co_return moved.bytes() ? static_cast<size_t>(moved.count) : 0;
    co_await Wait(house_.loop).on(wire_.source(), wire_.needs(kReadable));
  }
}

// The scratch is somebody else's as soon as this waits, so what could not be written is kept.
Task<bool> Visit::write(std::span<const uint8_t> bytes) {
  const Moved moved = wire_.write(bytes);
  if (moved.failed()) co_return false;
  if (moved.bytes()) bytes = bytes.subspan(static_cast<size_t>(moved.count));
  if (bytes.empty()) co_return true;
  const std::vector<uint8_t> kept(bytes.begin(), bytes.end());
  co_return !(co_await send_all(house_.loop, wire_, kept, never_));
}

Task<> Visit::end() {
  co_await end_writing(house_.loop, wire_, never_);
}

Task<> Visit::echo(std::string first, size_t per_second) {
  if (!first.empty() && !co_await write(bytes_of(first))) co_return;
  first = std::string();
  const size_t most = per_second > 0 ? kSlowBytesAtOnce : kVisitBuffer;
  for (int pieces = 0;;) {
    // Neither read() nor, as a rule, write(): a round trip is to cost no frame.
    const Moved got = wire_.read(scratch().first(most));
    if (got.would_block()) {
      co_await Wait(house_.loop).on(wire_.source(), wire_.needs(kReadable));
      continue;
    }
    if (!got.bytes()) break;
    const auto bytes = scratch().first(static_cast<size_t>(got.count));
    const Moved put = wire_.write(bytes);
    if (put.failed()) co_return;
    const auto rest = bytes.subspan(put.bytes() ? static_cast<size_t>(put.count) : 0);
    if (!rest.empty() && !co_await write(rest)) co_return;
    if (per_second > 0) {
      const Duration pause = Duration(std::chrono::seconds(1)) * got.count / per_second;
      co_await loop::SleepUntil(house_.loop, house_.loop.now() + pause);
    } else if (++pieces % Pattern::kPiecesInARow == 0) {
      co_await Wait(house_.loop).soon();
    }
  }
  co_await end();
}

Task<> Visit::source(std::string order) {
  constexpr size_t kLongestOrder = 24;  // 'S', 20 digits, a newline
  while (order.find('\n') == order.npos) {
    if (order.size() > kLongestOrder) co_return;
    const size_t count = co_await read(kLongestOrder);
    if (count == 0) co_return;
    // SAFETY: chars are bytes.
    order.append(reinterpret_cast<const char*>(scratch().data()), count);
  }
  const std::string_view line = std::string_view(order).substr(0, order.find('\n'));
  if (!line.starts_with('S')) co_return;
  const auto bytes = parse_decimal(line.substr(1), UINT64_MAX);
  if (!bytes) co_return;
  uint64_t sent = 0;
  for (int pieces = 0; sent < *bytes;) {
    const size_t size = std::min<uint64_t>(*bytes - sent, Pattern::kPiece);
    const Moved moved = wire_.write(pattern().at(sent, size));
    if (moved.failed()) co_return;
    if (moved.would_block()) {
      co_await Wait(house_.loop).on(wire_.source(), wire_.needs(kWritable));
      continue;
    }
    sent += static_cast<uint64_t>(moved.count);
    if (++pieces % Pattern::kPiecesInARow == 0) co_await Wait(house_.loop).soon();
  }
  co_await end();
  co_await silence();  // closing before the client has would reset what is still on its way
}

Task<> Visit::sink(std::string first) {
  uint64_t received = 0;
  std::optional<uint64_t> wrong;
  bool begun = false;
  const auto take = [&](std::span<const uint8_t> bytes) {
    if (!begun && !bytes.empty()) {
      begun = true;
      if (bytes[0] != 'K') wrong = 0;
      bytes = bytes.subspan(1);
    }
    if (!wrong) wrong = pattern().first_wrong(received, bytes);
    received += bytes.size();
  };
  take(bytes_of(first));
  for (int pieces = 0;;) {
    const size_t count = co_await read(kVisitBuffer);
    if (count == 0) break;
    take(scratch().first(count));
    if (++pieces % Pattern::kPiecesInARow == 0) co_await Wait(house_.loop).soon();
  }
  const std::string verdict = wrong ? fmt::format("{} bytes, wrong at {}\n", received, *wrong)
                                    : fmt::format("{} bytes ok\n", received);
  if (co_await write(bytes_of(verdict))) co_await end();
}

Task<> Visit::silence() {
  while (co_await read(kVisitBuffer) > 0) {
  }
}

Task<> Visit::reset() {
  co_await read(kVisitBuffer);
  wire_.stream().reset_on_close();
}

Task<> Visit::choose() {
  const size_t count = co_await read(kVisitBuffer);
  if (count == 0) co_return co_await end();
  // SAFETY: chars are bytes.
  std::string first(reinterpret_cast<const char*>(scratch().data()), count);
  switch (first[0]) {
    case 'S': co_await source(std::move(first)); break;
    case 'K': co_await sink(std::move(first)); break;
    default: co_await echo(std::move(first), 0); break;
  }
}

Task<> Visit::behave(Behaviour behaviour) {
  switch (behaviour) {
    case Behaviour::kAny: return choose();
    case Behaviour::kEcho: return echo({}, 0);
    case Behaviour::kSource: return source({});
    case Behaviour::kSink: return sink({});
    case Behaviour::kSlow: return echo({}, kSlowBytesPerSecond);
    case Behaviour::kSilent: return silence();
    case Behaviour::kReset: return reset();
  }
  PENSTOCK_CHECK(false);
}

}  // namespace

loop::RootTask receive(House& house, Wire wire, Behaviour behaviour) {
  if (house.tls) {
    wire.secure_with(*house.tls, {});
    Timer timer(house.loop);
    timer.arm(deadline_after(house.loop.now(), std::chrono::seconds(30)));
    if (co_await handshake(house.loop, wire, timer)) co_return;
  }
  Visit visit(house, wire);
  co_await visit.behave(behaviour);
}

}  // namespace penstock::load
