// Sockets for questions to the kernel (netlink(7)).
#pragma once

#include "sys/socket.h"

namespace penstock::sys {

// Of one protocol (NETLINK_SOCK_DIAG); it blocks.
SysResult<Fd> open_netlink(int protocol);

}  // namespace penstock::sys
