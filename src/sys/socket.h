// TCP sockets: open, accept, connect, and the options that a proxy needs. All non-blocking.
// Failures are -errno values of the kernel (see sys/calls.h); the callers know what they mean.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>

#include "base/ip.h"
#include "base/time.h"
#include "sys/fd.h"

namespace penstock::sys {

// A positive errno.
using Errno = int;
template <class T>
using SysResult = std::expected<T, Errno>;

struct ListenOptions {
  bool share_port = false;  // SO_REUSEPORT: one listener per worker on the same port
  int backlog = 4096;
  // IP_TRANSPARENT: what netfilter's tproxy brings arrives under the address it was sent to. Needs
  // CAP_NET_ADMIN (EPERM).
  bool transparent = false;
};

SysResult<Fd> open_listener(const Endpoint& at, const ListenOptions& options);

struct Accepted {
  Fd fd;
  Endpoint peer;
};
SysResult<Accepted> accept_connection(int listener);

// Begins to connect; the socket becomes writable when it is decided, and pending_error() says how.
// Nagle is off and urgent bytes come in line.
// With `source` the kernel picks the port at connect time (IP_BIND_ADDRESS_NO_PORT), so that a
// port is only in use per destination, not per source address.
SysResult<Fd> start_connect(const Endpoint& to, const std::optional<IpAddress>& source);

Errno pending_error(int fd);  // SO_ERROR; 0: connected
std::optional<Endpoint> local_endpoint(int fd);
// Where the peer had sent it before netfilter redirected it here (SO_ORIGINAL_DST); empty: it was
// not, or there is no connection tracking.
std::optional<Endpoint> original_destination(int fd);

void set_no_delay(int fd);
// An urgent byte is a byte of the stream (RFC 6093, section 6); out of line it would be lost.
void set_urgent_inline(int fd);
// ACKs wait for bytes to travel with (TCP_QUICKACK off), 40 ms at most. A new socket would send the
// first ones alone: for the request, in front of its answer.
void delay_acks(int fd);
// Keepalive probes after `quiet`; data unacknowledged for `unacknowledged` ends the connection.
// Zero leaves either alone.
void set_liveness(int fd, Duration quiet, Duration unacknowledged);
// The next close sends RST instead of FIN: the peer must not take a cut stream for a whole one.
void reset_on_close(int fd);
// SO_RCVLOWAT: wake the reader only once this many bytes are there (or the stream ended).
void set_receive_low_water(int fd, int bytes);

struct TcpFacts {
  uint32_t rtt_us = 0;
  uint32_t min_rtt_us = 0;
  uint32_t retransmits = 0;  // segments, over the whole life
};
std::optional<TcpFacts> tcp_facts(int fd);

// What tells this socket from every other since the machine was started; 0: the kernel does not
// say.
uint64_t socket_cookie(int fd);

}  // namespace penstock::sys
