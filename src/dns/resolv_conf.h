// /etc/resolv.conf (resolv.conf(5)): who is asked, and which names a short name may stand for.
// Pure. Limits: kResolvConfBytes of text are looked at by the caller, kServersMax servers and
// kSearchMax search domains are kept. Other options than ndots and attempts are ignored:
// `timeout` counts in seconds, and none of its values is shorter than a try here.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/ip.h"

namespace penstock::dns {

inline constexpr size_t kResolvConfBytes = 64 * 1024;
inline constexpr size_t kServersMax = 8;
inline constexpr size_t kSearchMax = 8;
inline constexpr uint16_t kDnsPort = 53;

struct ResolvConf {
  std::vector<Endpoint> servers;    // never empty after parse(): 127.0.0.1 if the file names none
  std::vector<std::string> search;  // canonical names
  int ndots = 1;                    // 0 to 15
  int attempts = 2;                 // 1 to 3 rounds over the servers

  static ResolvConf parse(std::string_view text);

  // The names to ask for, in order: as it is first if it has `ndots` dots, last if it has fewer.
  std::vector<std::string> candidates(const std::string& name) const;

  friend bool operator==(const ResolvConf&, const ResolvConf&) = default;
};

}  // namespace penstock::dns
