#include "server/sockets.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>

#include "sys/process.h"
#include "sys/socket.h"

namespace penstock::server {
namespace {

// How an address is chosen.
constexpr std::string_view kListenersKey = "--listen or `listeners:`";

std::string cannot_listen(const Endpoint& at, int error, std::string_view where) {
  std::string advice = fmt::format("choose another address with {}", where);
  if (error == EADDRINUSE) {
    advice = "another process listens there; stop it, or " + advice;
  } else if (error == EACCES) {
    advice =
        "ports below 1024 need CAP_NET_BIND_SERVICE, or a socket from systemd (penstock.socket)";
  } else if (error == EPERM) {
    advice = "transparent: tproxy needs CAP_NET_ADMIN (AmbientCapabilities= in the .service unit)";
  } else if (error == EADDRNOTAVAIL) {
    advice = "this machine has no interface with that address";
  }
  return fmt::format("cannot listen on {}: {}; {}", at.text(), std::strerror(error), advice);
}

// One socket per worker on one port; the kernel spreads connections over them. SO_REUSEPORT would
// also let a second penstock join in unnoticed, so a plain bind is tried first.
std::expected<Endpoint, std::string> open_shared(const config::Listener& listener, uint16_t place,
                                                 uint64_t workers, OpenSockets& out) {
  const Endpoint& at = listener.address;
  const bool transparent = listener.transparent == config::Transparent::kTproxy;
  Endpoint bound = at;
  if (at.port != 0) {
    const auto probe = sys::open_listener(at, {.share_port = false});
    if (!probe) return std::unexpected(cannot_listen(at, probe.error(), kListenersKey));
  }
  for (uint64_t worker = 0; worker < workers; ++worker) {
    auto fd = sys::open_listener(bound, {.share_port = true, .transparent = transparent});
    if (!fd) return std::unexpected(cannot_listen(at, fd.error(), kListenersKey));
    bound = sys::local_endpoint(fd->get()).value_or(bound);
    out.per_worker[worker].push_back({std::move(*fd), place});
  }
  return bound;
}

// `in_order`: the n-th has the options of the n-th in `listeners:`, else all have the first's.
std::expected<void, std::string> share_inherited(std::vector<sys::Fd> inherited, bool in_order,
                                                 uint64_t workers, OpenSockets& out) {
  for (uint16_t next = 0; sys::Fd & fd : inherited) {
    const uint16_t place = in_order ? next++ : 0;
    const auto bound = sys::local_endpoint(fd.get());
    if (!bound)
      return std::unexpected(
          "a socket that systemd passed is no TCP socket; see ListenStream= in the .socket unit");
    out.listeners.push_back(*bound);
    for (uint64_t worker = 1; worker < workers; ++worker) {
      auto copy = sys::duplicate(fd.get());
      if (!copy)
        return std::unexpected(
            fmt::format("cannot share a socket: {}", std::strerror(copy.error())));
      out.per_worker[worker].push_back({std::move(*copy), place});
    }
    out.per_worker[0].push_back({std::move(fd), place});
  }
  return {};
}

// Accepted sockets inherit these, so they cost no system call per connection.
void prepare(const OpenSockets& sockets, const config::Dial& dial) {
  for (const auto& listeners : sockets.per_worker) {
    for (const auto& [fd, place] : listeners) {
      sys::set_no_delay(fd.get());
      sys::set_urgent_inline(fd.get());
      sys::delay_acks(fd.get());
      sys::set_liveness(fd.get(), dial.keepalive, dial.unacknowledged);
    }
  }
}

}  // namespace

std::expected<OpenSockets, std::string> open_sockets(const config::Config& config, uint64_t workers,
                                                     std::vector<sys::Fd> inherited) {
  OpenSockets out;
  out.per_worker.resize(workers);
  const size_t configured = config.listeners.size();
  if (!inherited.empty()) {
    if (configured > 1 && configured != inherited.size()) {
      return std::unexpected(
          fmt::format("systemd passed {} sockets and `listeners:` has {}: have one for each, in "
                      "the same order, "
                      "or a single one whose options are for all",
                      inherited.size(), configured));
    }
    if (auto shared = share_inherited(std::move(inherited), configured > 1, workers, out);
        !shared) {
      return std::unexpected(shared.error());
    }
  } else {
    for (uint16_t place = 0; const config::Listener& listener : config.listeners) {
      const auto bound = open_shared(listener, place++, workers, out);
      if (!bound) return std::unexpected(bound.error());
      out.listeners.push_back(*bound);
    }
  }
  prepare(out, config.dial);
  if (config.admin) {
    auto fd = sys::open_listener(*config.admin, {});
    if (!fd)
      return std::unexpected(cannot_listen(*config.admin, fd.error(), "--admin or `admin:`"));
    out.admin_address = sys::local_endpoint(fd->get()).value_or(*config.admin);
    out.admin = std::move(*fd);
  }
  return out;
}

}  // namespace penstock::server
