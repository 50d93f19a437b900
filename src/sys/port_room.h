// Reads the kernel's settings of ephemeral ports, for the network namespace that this process is
// in. Four small files of /proc: not for the data path.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/port_room.h"

namespace penstock::sys {

// A setting that cannot be read is taken for the one that gives more ports: who counts by it then
// refuses nothing that the kernel would have granted.
PortRoom port_room();

// How many ports from `first` to `last` a list such as "8080,9148-9200" leaves free.
uint32_t free_ports(uint16_t first, uint16_t last, std::string_view reserved);

}  // namespace penstock::sys
