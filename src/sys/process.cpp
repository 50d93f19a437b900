#include "sys/process.h"

#include <fcntl.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>

#include "base/ascii.h"
#include "base/check.h"

namespace penstock::sys {
namespace {

constexpr int kFirstInherited = 3;  // SD_LISTEN_FDS_START

std::optional<uint64_t> environment_number(const char* name) {
  const char* text = std::getenv(name);
  return text ? parse_decimal(text, INT32_MAX) : std::nullopt;
}

}  // namespace

uint64_t raise_descriptor_limit() {
  rlimit limit{};
  PENSTOCK_CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
  rlimit raised = limit;
  raised.rlim_cur = raised.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
  return limit.rlim_cur == RLIM_INFINITY ? uint64_t{1} << 20 : limit.rlim_cur;
}

uint64_t usable_cpus() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
  return std::max<uint64_t>(1, static_cast<uint64_t>(CPU_COUNT(&set)));
}

std::chrono::nanoseconds thread_cpu_time() {
  timespec used{};
  PENSTOCK_CHECK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used) == 0);
  return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

SysResult<std::vector<IpAddress>> interface_addresses() {
  std::vector<IpAddress> out;
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return std::unexpected(errno);
  for (const ifaddrs* entry = list; entry; entry = entry->ifa_next) {
    if (!entry->ifa_addr) continue;
    IpAddress address;
    // SAFETY: the family says which sockaddr this is; copied byte by byte.
    if (entry->ifa_addr->sa_family == AF_INET) {
      sockaddr_in v4;
      std::memcpy(&v4, entry->ifa_addr, sizeof(v4));
      std::memcpy(address.bytes.data(), &v4.sin_addr, 4);
    } else if (entry->ifa_addr->sa_family == AF_INET6) {
      sockaddr_in6 v6;
      std::memcpy(&v6, entry->ifa_addr, sizeof(v6));
      std::memcpy(address.bytes.data(), &v6.sin6_addr, 16);
      address.v6 = true;
    } else {
      continue;
    }
    out.push_back(address);
  }
  freeifaddrs(list);
  return out;
}

Fd signal_descriptor(std::initializer_list<int> signals) {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : signals) sigaddset(&set, signal);
  PENSTOCK_CHECK(pthread_sigmask(SIG_BLOCK, &set, nullptr) == 0);
  Fd fd(signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
  PENSTOCK_CHECK(fd);
  return fd;
}

int next_signal(int descriptor) {
  signalfd_siginfo info{};
  if (::read(descriptor, &info, sizeof(info)) != sizeof(info)) return 0;
  return static_cast<int>(info.ssi_signo);
}

std::vector<Fd> inherited_listeners() {
  std::vector<Fd> out;
  const auto pid = environment_number("LISTEN_PID");
  const auto count = environment_number("LISTEN_FDS");
  if (pid && count && *pid == static_cast<uint64_t>(getpid())) {
    for (int i = 0; i < static_cast<int>(*count); ++i) {
      const int number = kFirstInherited + i;
      const int flags = fcntl(number, F_GETFL);
      if (flags < 0) continue;
      fcntl(number, F_SETFL, flags | O_NONBLOCK);
      fcntl(number, F_SETFD, FD_CLOEXEC);
      out.emplace_back(number);
    }
  }
  for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) unsetenv(name);
  return out;
}

void notify_service_manager(std::string_view state) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  sockaddr_un address{};
  if (!path || (path[0] != '/' && path[0] != '@')) return;
  const size_t length = std::strlen(path);
  if (length >= sizeof(address.sun_path)) return;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path, length);
  if (path[0] == '@') address.sun_path[0] = '\0';  // an abstract socket
  const Fd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd) return;
  // SAFETY: sockaddr_un is a sockaddr. Best effort: a service manager that is not there is no
  // reason not to serve.
  (void)sendto(fd.get(), state.data(), state.size(), MSG_NOSIGNAL,
               reinterpret_cast<const sockaddr*>(&address),
               static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length));
}

SysResult<Fd> duplicate(int fd) {
  const int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) return std::unexpected(errno);
  return Fd(copy);
}

}  // namespace penstock::sys
