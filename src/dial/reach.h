// Happy Eyeballs v2 (RFC 8305) over judged routes. It takes policy::Route and nothing else, so
// an address that was not judged cannot be dialled, and it never resolves a name.
// Thread: the loop's.   Cancelling: destroy the task; every attempt is closed with it.
#pragma once

#include <chrono>
#include <cstddef>
#include <span>
#include <vector>

#include "admission/ports.h"
#include "admission/routes.h"
#include "base/error.h"
#include "base/ip.h"
#include "base/time.h"
#include "dial/source_pool.h"
#include "loop/loop.h"
#include "loop/stream.h"
#include "loop/task.h"
#include "policy/decision.h"

namespace penstock::dial {

// A name may resolve to as many addresses as its owner likes; what one CONNECT makes of them is
// bounded, or a client and a zone file turn the proxy into a port scanner.
inline constexpr size_t kMaxRoutes = 16;
// Attempts in flight at once for one CONNECT. The next route waits until one of them fails.
inline constexpr size_t kMaxAttempts = 6;
// RFC 8305 section 8: the Minimum Connection Attempt Delay.
inline constexpr Duration kMinAttemptDelay = std::chrono::milliseconds(10);

// What dialling draws on; all of it outlives the task.
struct Means {
  SourcePool& sources;
  admission::Ports& ports;
  admission::Routes& routes;
  // Whoever dials will know later whether the route is good: see Reached::leave.
  bool judged_later = false;
};

struct Reached {
  admission::PortShare port;  // of the stream: it goes after the descriptor
  loop::Stream stream;
  Endpoint peer;  // the route that won
  // With Means::judged_later, its breaker has not been told yet. Else empty.
  admission::Routes::Leave leave{};

  // Closes it in good order. Our FIN goes first, so that its port rests.
  void let_go(Instant now) {
    if (stream.transport()) stream.shutdown_write();  // TLS says goodbye
    stream.close();
    port.rest(now);
  }
};

// Connects to the first of `routes` that answers: families interleaved beginning with the first
// route's, a new attempt every `attempt_delay` (at least kMinAttemptDelay) or as soon as one
// fails. `routes` must not be empty. A route whose breaker is open is passed over; what becomes of
// each attempt is told to the breaker of its route, but for one that ends since another has won, or
// for want of something of our own. A source address is passed over, before there is a socket, if
// the ledger of ports says that it has none left towards the route.
//
// When all fail the most telling error is reported, not the last. In this order:
//   kRefused       somebody is there and said no (also: a reset, and a connection to itself)
//   kDialTimeout   packets left and nobody answered
//   kNoDescriptor  ours: no descriptor or kernel memory for a socket
//   kNoPort        ours: no ephemeral port towards the route from any source address, or a source
//                  address that this machine does not have
//   kUnroutable    no packet left. Last but one, since a machine without IPv6 says this of half
//                  of the routes and it explains nothing about the other half
//   kDialFailed    anything else
//   kBreakerOpen   nothing was tried: the breaker of each route is open
loop::Task<Result<Reached>> reach(loop::Loop& loop, std::span<const policy::Route> routes,
                                  Means means, Duration attempt_delay, Instant deadline);

// The order in which reach() tries (RFC 8305 section 4, First Address Family Count 1), cut off
// after kMaxRoutes.
std::vector<Endpoint> interleave(std::span<const policy::Route> routes);

// What the kernel's word for a failed connection means.
Error dial_error(int sys_errno);

}  // namespace penstock::dial
