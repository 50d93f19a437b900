#include "sys/port_room.h"

#include <algorithm>
#include <fstream>
#include <optional>
#include <string>

#include "base/ascii.h"

namespace penstock::sys {
namespace {

constexpr uint64_t kPortMax = 65535;
constexpr uint64_t kDelayMax = 24 * 3600 * 1000;  // milliseconds

std::string setting(const std::string& name) {
  std::ifstream file("/proc/sys/net/ipv4/" + name);
  std::string line;
  std::getline(file, line);
  return line;
}

}  // namespace

// What the kernel does with a port whose connection is in TIME_WAIT (net/ipv4/tcp_ipv4.c,
// tcp_twsk_unique; for IPv6 as well): it keeps it for TCP_TIMEWAIT_LEN, which is 60 s and cannot be
// set. tcp_tw_reuse lets connect() take it again towards the same destination once
// tcp_tw_reuse_delay has passed (1 s, and fixed before Linux 6.14), if the two ends had TCP
// timestamps: 1, everywhere; 2, the default, where either end is a loopback address; 0, never.
// Whether there were timestamps is not asked: where there were none the port rests longer than
// said here.
PortRoom port_room() {
  PortRoom room;
  std::ifstream range("/proc/sys/net/ipv4/ip_local_port_range");
  uint16_t first = 0, last = 0;
  if (range >> first >> last && first <= last) {
    room.first = first;
    room.ports = free_ports(first, last, setting("ip_local_reserved_ports"));
  }
  const std::string reuse = setting("tcp_tw_reuse");
  const auto delay = parse_decimal(setting("tcp_tw_reuse_delay"), kDelayMax);
  const Duration soon = std::min(
      delay ? Duration(std::chrono::milliseconds(*delay)) : room.rest_on_loopback, room.rest);
  room.rest_on_loopback = reuse == "0" ? room.rest : soon;
  if (reuse == "1" || reuse.empty()) room.rest = soon;
  return room;
}

uint32_t free_ports(uint16_t first, uint16_t last, std::string_view reserved) {
  uint32_t free = uint32_t{last} - first + 1;
  // The kernel writes the list in order and without overlap.
  while (!reserved.empty()) {
    const size_t comma = std::min(reserved.find(','), reserved.size());
    const std::string_view part = reserved.substr(0, comma);
    reserved.remove_prefix(std::min(comma + 1, reserved.size()));
    const size_t dash = std::min(part.find('-'), part.size());
    const auto from = parse_decimal(part.substr(0, dash), kPortMax);
    const auto to = dash == part.size() ? from : parse_decimal(part.substr(dash + 1), kPortMax);
    if (!from || !to) continue;
    const uint64_t low = std::max<uint64_t>(*from, first), high = std::min<uint64_t>(*to, last);
    if (low <= high) free -= static_cast<uint32_t>(high - low + 1);
  }
  return free;
}

}  // namespace penstock::sys
