// Opens what a configuration listens on: all of it or none of it.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "base/ip.h"
#include "config/config.h"
#include "sys/fd.h"

namespace penstock::server {

struct ListenSocket {
  sys::Fd fd;
  uint16_t place = 0;  // in `listeners:`, of the one whose options it has
};

struct OpenSockets {
  std::vector<std::vector<ListenSocket>> per_worker;  // [worker][listener]
  std::vector<Endpoint> listeners;                    // as bound, with the ports that were chosen
  sys::Fd admin;                                      // empty: no admin listener
  Endpoint admin_address;
};

// With `inherited` sockets (systemd socket activation) these are the listeners and the
// configured ones are not opened: the first has the options of the first that is configured, and so
// on; one that is configured alone speaks for all. The error is one line that says what to do.
std::expected<OpenSockets, std::string> open_sockets(const config::Config& config, uint64_t workers,
                                                     std::vector<sys::Fd> inherited);

}  // namespace penstock::server
