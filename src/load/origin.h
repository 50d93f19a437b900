// The origin that a load run talks to, so that a bench needs nothing else.
//
//   echo    sends back what it gets
//   source  reads 'S', a decimal number and a newline, sends that many bytes of the pattern, ends
//   sink    reads 'K' and then, until the end, the pattern, checks each byte of it, and answers
//           "N bytes ok\n" or "N bytes, wrong at M\n", and ends
//   slow    as echo, but at 1 KiB per second
//   silent  accepts and says nothing
//   reset   accepts, reads once, and resets
//   any     the first byte decides: 'S' source, 'K' sink, anything else echo, that byte included
//
// The pattern (load/pattern.h) begins with 'E', and so does all that a client sends to be echoed.
// Thread: each run_origin() has loops of its own.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip.h"

namespace penstock::load {

enum class Behaviour : uint8_t { kAny, kEcho, kSource, kSink, kSlow, kSilent, kReset };
std::optional<Behaviour> behaviour_of(std::string_view word);

struct OriginListener {
  Endpoint address;
  Behaviour behaviour = Behaviour::kAny;
};

struct OriginOptions {
  std::vector<OriginListener> listeners;
  bool tls = false;  // with a self-signed certificate made at start, kept in memory only
  int threads = 1;
};

// Serves until `stop` is asked for. `ready` is called once, with the addresses that it listens on
// (port 0 asks for any), in the order of `listeners`. The error: an address that cannot be
// listened on, as one sentence.
std::expected<void, std::string> run_origin(
    const OriginOptions& options, const std::stop_token& stop,
    const std::function<void(const std::vector<Endpoint>&)>& ready);

}  // namespace penstock::load
