// What the process may use, and how it talks to the service manager.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/ip.h"
#include "sys/fd.h"
#include "sys/socket.h"

namespace penstock::sys {

// Raises the soft limit of open descriptors to the hard one and returns what is in force.
uint64_t raise_descriptor_limit();

// CPUs that this process may run on (affinity mask), at least 1.
uint64_t usable_cpus();

// CPU time that the calling thread has used.
std::chrono::nanoseconds thread_cpu_time();

// Addresses of this machine's interfaces. Takes a descriptor for a moment, so it can fail.
SysResult<std::vector<IpAddress>> interface_addresses();

// Blocks `signals` for this thread and those it makes, and returns a descriptor that reads them.
Fd signal_descriptor(std::initializer_list<int> signals);
// The next signal, 0 when there is none.
int next_signal(int descriptor);

// Sockets that systemd opened for us (sd_listen_fds(3)); the environment variables are consumed.
std::vector<Fd> inherited_listeners();

// Tells the service manager how we are (sd_notify(3)): "READY=1", "STOPPING=1", "RELOADING=1\n...".
// Does nothing without NOTIFY_SOCKET. We do not link libsystemd: the protocol is one datagram.
void notify_service_manager(std::string_view state);

// A second descriptor for the same open socket.
SysResult<Fd> duplicate(int fd);

}  // namespace penstock::sys
