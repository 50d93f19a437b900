// What the kernel has to give of ephemeral ports: towards one destination, from one source address.
#pragma once

#include <chrono>
#include <cstdint>

#include "base/time.h"

namespace penstock {

struct PortRoom {
  // The lowest port that the kernel gives to a connection by itself; 1 where it is not known.
  uint16_t first = 1;
  // How many there are: net.ipv4.ip_local_port_range, which holds for IPv6 as well, less those of
  // net.ipv4.ip_local_reserved_ports.
  uint32_t ports = 65535;
  // How long a connection whose FIN went first keeps its port (TIME_WAIT) before the kernel gives
  // it to another one towards the same destination; where one end is a loopback address, and
  // elsewhere.
  Duration rest_on_loopback = std::chrono::seconds(1);
  Duration rest = std::chrono::seconds(60);

  friend bool operator==(const PortRoom&, const PortRoom&) = default;
};

}  // namespace penstock
