// For tests only: whether libc would read a host name as an address, in any of the spellings that
// inet_aton(3) knows (0x7f.1, 0177.1, 2130706433). Such a name must never pass for a name.
#pragma once

#include <arpa/inet.h>
#include <netdb.h>

#include <string>

namespace penstock::http {

inline bool libc_takes_for_an_address(const std::string& host) {
  in_addr v4{};
  if (inet_aton(host.c_str(), &v4) != 0) return true;
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const bool taken = getaddrinfo(host.c_str(), nullptr, &hints, &found) == 0;
  if (taken) freeaddrinfo(found);
  return taken;
}

}  // namespace penstock::http
