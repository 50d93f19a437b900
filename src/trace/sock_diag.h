// The source that needs no privilege: asks the kernel now and then for the TCP_INFO of the
// connections that are open (sock_diag(7)). What begins and ends between two questions is not seen,
// and neither is when a SYN left or was answered.
#pragma once

#include <functional>

#include "bpf/source.h"

namespace penstock::trace {

// One connection as the kernel describes it.
struct Sighting {
  uint64_t cookie = 0;  // the socket's, never used again
  uint64_t inode = 0;
  bpf::Where where;
  bool established = false;
  uint32_t rtt_us = 0;
  uint32_t min_rtt_us = 0;
  uint64_t retransmits = 0;
};

// Adds up what successive looks at the open connections show. Pure.
class Sightings {
 public:
  void look(const std::vector<Sighting>& open);
  const bpf::Readings& readings() const { return readings_; }

 private:
  struct Last {
    Sighting sighting;
    bool open = false;
  };
  std::map<uint64_t, Last> last_;  // by cookie; of the connections that are open
  bpf::Readings readings_;
};

bpf::Opened open_sock_diag(const bpf::Wanted& wanted);

}  // namespace penstock::trace
