#include "sys/netlink.h"

#include <sys/socket.h>

#include <cerrno>

namespace penstock::sys {

SysResult<Fd> open_netlink(int protocol) {
  Fd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
  if (!fd) return std::unexpected(errno);
  return fd;
}

}  // namespace penstock::sys
