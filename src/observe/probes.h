// Static trace points (USDT), one for each step of a connection: what docs/probes.md lists, and
// what bpftrace, perf and others attach to by name. An interface: what an argument means changes
// only with a line in CHANGELOG.md.
//
// Cost while nobody traces: a nop, and about 20 instructions that lay the arguments ready;
// therefore none is a text that would have to be made. Strings end in a NUL and live as long as the
// call. Six arguments at most: bpftrace 0.17 reads no more. The worker is the thread's name
// (`comm`). Any thread.
#pragma once

#define SDT_USE_VARIADIC
#include <sys/sdt.h>

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/error.h"
#include "base/ip.h"

namespace penstock::observe::probe {

// The first arguments of every probe: whose step it was, what it took, and how it ended.
struct Step {
  uint64_t number;    // arg0: of the worker's connections, as at the end of the log's `id`
  const char* host;   // arg1: empty until the request has been understood
  uint16_t port;      // arg2
  int64_t us;         // arg3
  const char* error;  // arg4: a word of docs/errors.md; empty: it went on
};

// The word for arg4. Those of error.def are literals, so that a NUL stands behind them.
inline const char* word(Code code) {
  return facts(code).word.data();
}

inline const char* word(const std::optional<Error>& failure) {
  return failure ? word(failure->code) : "";
}

template <class T>
const char* word(const Result<T>& result) {
  return result ? "" : word(result.error().code);
}

// Tracers are told of an address where it lies: 16 bytes, of which IPv4 uses four, and a byte that
// is 1 for IPv6.
static_assert(offsetof(IpAddress, bytes) == 0 && offsetof(IpAddress, v6) == 16);

#define PENSTOCK_PROBE(name, step, ...)                                           \
  STAP_PROBEV(penstock, name, (step).number, (step).host, (step).port, (step).us, \
              (step).error __VA_OPT__(, ) __VA_ARGS__)

// A connection has come. Nothing is known but its client.
inline void accept(const Step& step, const IpAddress& client) {
  PENSTOCK_PROBE(accept, step, &client);
}

// The request was read, or could not be. `us` counts from accept.
inline void head(const Step& step) {
  PENSTOCK_PROBE(head, step);
}

// Who asks is known, and has not had its share of connections.
inline void identify(const Step& step) {
  PENSTOCK_PROBE(identify, step);
}

// The policy has spoken on the name. No rule matched: `rule` is empty.
inline void judge_name(const Step& step, const char* rule) {
  PENSTOCK_PROBE(judge_name, step, rule);
}

// There was room for the set-up, or there was none. `us`: how long it waited.
inline void admit(const Step& step) {
  PENSTOCK_PROBE(admit, step);
}

// A look-up has ended. May happen twice: the other address family comes later.
inline void resolve(const Step& step, uint64_t addresses) {
  PENSTOCK_PROBE(resolve, step, addresses);
}

// The policy has spoken on the addresses, and left so many routes.
inline void judge_addresses(const Step& step, uint64_t routes) {
  PENSTOCK_PROBE(judge_addresses, step, routes);
}

// Dialling has ended; `peer` is who was reached, where somebody was.
inline void dial(const Step& step, const IpAddress& peer) {
  PENSTOCK_PROBE(dial, step, &peer);
}

// The client was told 200. `us` counts from accept.
inline void established(const Step& step) {
  PENSTOCK_PROBE(established, step);
}

// The client's first bytes were judged. `us` counts from established; -1: it was no ClientHello.
inline void hello(const Step& step, const char* sni) {
  PENSTOCK_PROBE(hello, step, sni);
}

// What a tunnel has carried, at its end. In place of the error, which settle says: the bytes.
inline void carry(const Step& step, uint64_t up, uint64_t down) {
  STAP_PROBE6(penstock, carry, step.number, step.host, step.port, step.us, up, down);
}

// It has ended. `us` counts from accept.
inline void settle(const Step& step, const char* outcome) {
  PENSTOCK_PROBE(settle, step, outcome);
}

#undef PENSTOCK_PROBE

}  // namespace penstock::observe::probe
