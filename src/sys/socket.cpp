#include "sys/socket.h"

// linux/tcp.h rather than netinet/tcp.h: glibc's tcp_info stops before tcpi_min_rtt.
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "sys/calls.h"

namespace penstock::sys {
namespace {

// SO_ORIGINAL_DST of linux/netfilter_ipv4.h, IP6T_SO_ORIGINAL_DST of its sister for IPv6: headers
// that do not go together with netinet/in.h.
constexpr int kOriginalDestination = 80;

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = sizeof(sockaddr_storage);

  sockaddr* get() {
    // SAFETY: sockaddr_storage exists to be read as any sockaddr.
    return reinterpret_cast<sockaddr*>(&storage);
  }
};

SocketAddress to_sockaddr(const Endpoint& endpoint) {
  SocketAddress out;
  if (endpoint.address.v6) {
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(endpoint.port);
    std::memcpy(&v6.sin6_addr, endpoint.address.bytes.data(), 16);
    std::memcpy(&out.storage, &v6, sizeof(v6));  // SAFETY: storage is larger than any sockaddr
    out.length = sizeof(v6);
  } else {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(endpoint.port);
    std::memcpy(&v4.sin_addr, endpoint.address.bytes.data(), 4);
    std::memcpy(&out.storage, &v4, sizeof(v4));  // SAFETY: as above
    out.length = sizeof(v4);
  }
  return out;
}

// A v4-mapped peer of a dual-stack listener is an IPv4 peer, and rules must see it as one.
std::optional<Endpoint> from_sockaddr(const sockaddr_storage& storage) {
  Endpoint out;
  if (storage.ss_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, &storage, sizeof(v4));  // SAFETY: the family says what this is
    std::memcpy(out.address.bytes.data(), &v4.sin_addr, 4);
    out.port = ntohs(v4.sin_port);
    return out;
  }
  if (storage.ss_family != AF_INET6) return std::nullopt;
  sockaddr_in6 v6;
  std::memcpy(&v6, &storage, sizeof(v6));  // SAFETY: the family says what this is
  out.port = ntohs(v6.sin6_port);
  if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
    std::memcpy(out.address.bytes.data(), &v6.sin6_addr.s6_addr[12], 4);
  } else {
    std::memcpy(out.address.bytes.data(), &v6.sin6_addr, 16);
    out.address.v6 = true;
  }
  return out;
}

int set_option(int fd, int level, int option, int value) {
  return calls::setsockopt(fd, level, option, &value, sizeof(value));
}

SysResult<Fd> open_tcp(bool v6) {
  const int number = calls::socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM);
  if (number < 0) return std::unexpected(-number);
  return Fd(number);
}

}  // namespace

SysResult<Fd> open_listener(const Endpoint& at, const ListenOptions& options) {
  auto fd = open_tcp(at.address.v6);
  if (!fd) return fd;
  set_option(fd->get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (options.share_port) set_option(fd->get(), SOL_SOCKET, SO_REUSEPORT, 1);
  if (at.address.v6) set_option(fd->get(), IPPROTO_IPV6, IPV6_V6ONLY, 1);
  if (options.transparent) {
    const int error = at.address.v6 ? set_option(fd->get(), IPPROTO_IPV6, IPV6_TRANSPARENT, 1)
                                    : set_option(fd->get(), IPPROTO_IP, IP_TRANSPARENT, 1);
    if (error < 0) return std::unexpected(-error);
  }
  SocketAddress address = to_sockaddr(at);
  if (const int error = calls::bind(fd->get(), address.get(), address.length); error < 0) {
    return std::unexpected(-error);
  }
  if (const int error = calls::listen(fd->get(), options.backlog); error < 0) {
    return std::unexpected(-error);
  }
  return fd;
}

SysResult<Accepted> accept_connection(int listener) {
  SocketAddress peer;
  const int number = calls::accept(listener, peer.get(), &peer.length);
  if (number < 0) return std::unexpected(-number);
  Accepted out{Fd(number), {}};
  const auto endpoint = from_sockaddr(peer.storage);
  if (!endpoint) return std::unexpected(EAFNOSUPPORT);
  out.peer = *endpoint;
  return out;
}

SysResult<Fd> start_connect(const Endpoint& to, const std::optional<IpAddress>& source) {
  auto fd = open_tcp(to.address.v6);
  if (!fd) return fd;
  if (source) {
    set_option(fd->get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
    SocketAddress address = to_sockaddr(Endpoint{*source, 0});
    if (const int error = calls::bind(fd->get(), address.get(), address.length); error < 0) {
      return std::unexpected(-error);
    }
  }
  set_no_delay(fd->get());
  set_urgent_inline(fd->get());
  SocketAddress address = to_sockaddr(to);
  const int error = calls::connect(fd->get(), address.get(), address.length);
  if (error < 0 && error != -EINPROGRESS) return std::unexpected(-error);
  return fd;
}

Errno pending_error(int fd) {
  int error = 0;
  socklen_t length = sizeof(error);
  if (const int result = calls::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length); result < 0) {
    return -result;
  }
  return error;
}

std::optional<Endpoint> local_endpoint(int fd) {
  SocketAddress address;
  if (calls::getsockname(fd, address.get(), &address.length) < 0) return std::nullopt;
  return from_sockaddr(address.storage);
}

std::optional<Endpoint> original_destination(int fd) {
  const auto here = local_endpoint(fd);
  if (!here) return std::nullopt;
  SocketAddress address;
  const int level = here->address.v6 ? IPPROTO_IPV6 : IPPROTO_IP;
  if (calls::getsockopt(fd, level, kOriginalDestination, address.get(), &address.length) < 0) {
    return std::nullopt;
  }
  return from_sockaddr(address.storage);
}

void set_no_delay(int fd) {
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
}

void set_urgent_inline(int fd) {
  set_option(fd, SOL_SOCKET, SO_OOBINLINE, 1);
}

void delay_acks(int fd) {
  set_option(fd, IPPROTO_TCP, TCP_QUICKACK, 0);
}

void set_liveness(int fd, Duration quiet, Duration unacknowledged) {
  using std::chrono::duration_cast;
  if (quiet > Duration::zero()) {
    const auto seconds = duration_cast<std::chrono::seconds>(quiet).count();
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE,
               static_cast<int>(std::clamp<int64_t>(seconds, 1, 32767)));
    set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, 10);
    set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
  }
  if (unacknowledged > Duration::zero()) {
    const auto millis = duration_cast<std::chrono::milliseconds>(unacknowledged).count();
    set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT,
               static_cast<int>(std::clamp<int64_t>(millis, 1, INT32_MAX)));
  }
}

void reset_on_close(int fd) {
  const linger abort_now{.l_onoff = 1, .l_linger = 0};
  calls::setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort_now, sizeof(abort_now));
}

void set_receive_low_water(int fd, int bytes) {
  set_option(fd, SOL_SOCKET, SO_RCVLOWAT, bytes);
}

std::optional<TcpFacts> tcp_facts(int fd) {
  tcp_info info{};
  socklen_t length = sizeof(info);
  if (calls::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) < 0) return std::nullopt;
  return TcpFacts{info.tcpi_rtt, info.tcpi_min_rtt, info.tcpi_total_retrans};
}

uint64_t socket_cookie(int fd) {
  uint64_t cookie = 0;
  socklen_t length = sizeof(cookie);
  return calls::getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &length) < 0 ? 0 : cookie;
}

}  // namespace penstock::sys
