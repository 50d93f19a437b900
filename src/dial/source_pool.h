// Which of our own addresses a connection leaves from. Round robin per family; an address that is
// out of ephemeral ports towards a destination is skipped for the next.
// Thread: the loop's.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "base/ip.h"
#include "sys/port_room.h"

namespace penstock::dial {

class SourcePool {
 public:
  SourcePool() = default;
  explicit SourcePool(const std::vector<IpAddress>& addresses);

  // How many addresses there are to try for a destination of this family; at least 1, since
  // without any the kernel chooses.
  size_t choices(bool v6) const;
  // The next one in turn; empty: let the kernel choose.
  std::optional<IpAddress> next(bool v6);
  // Whether the kernel could pick `port` as a connection's own.
  bool may_leave_from(uint16_t port) const { return port >= first_port_; }

 private:
  // Each family takes its own turns: one counter for both would give destinations that are
  // always dialled as v6, v4, v6, v4 the same half of the addresses every time.
  struct Turns {
    std::vector<IpAddress> addresses;
    size_t next = 0;
  };
  uint16_t first_port_ = sys::port_room().first;
  Turns v4_;
  Turns v6_;
};

}  // namespace penstock::dial
