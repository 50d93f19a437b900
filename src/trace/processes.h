// The processes that are traced, as /proc shows them now, and the sockets that they have open.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "bpf/source.h"
#include "sys/fd.h"

namespace penstock::trace {

// Those that `wanted` names by pid, name or cgroup, and the children of the first two. Empty where
// it names none, or none is there.
std::vector<int> processes(const bpf::Wanted& wanted);

bool names_processes(const bpf::Wanted& wanted);

// Second descriptors of the listening TCP sockets that these processes have. Those of a process
// that we may not look into are missing.
std::vector<sys::Fd> listeners_of(const std::vector<int>& pids);

// The inodes of all sockets that these processes have open.
std::set<uint64_t> socket_inodes_of(const std::vector<int>& pids);

// Connections that were dropped since their accept queue was full: of the network namespace of
// `pid`, or of our own for 0; since it was made.
uint64_t listen_overflows(int pid);

}  // namespace penstock::trace
