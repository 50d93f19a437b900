// The other side of the seam: sys/calls.h with a kernel that misbehaves by a seeded plan.
//
// A faked EAGAIN or short count would leave an edge-triggered reader asleep for ever, since the
// real descriptor never stopped being ready. So each of them re-arms the descriptor
// (EPOLL_CTL_MOD), which makes the kernel report again what is really so.
#include <fcntl.h>
#include <linux/sockios.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>

#include "plan.h"
#include "sys/calls.h"

namespace penstock::faults {
namespace {

struct Registration {
  int epoll;
  epoll_event event;
};

struct Kernel {
  Plan plan;
  Tally tally;
  Random random{1};
  std::map<int, Registration> registered;
};

Kernel& kernel() {
  static Kernel only;
  return only;
}

bool strikes(uint32_t chance) {
  return chance > 0 && kernel().random.below(1000) < chance;
}

void report_again(int fd) {
  const auto found = kernel().registered.find(fd);
  if (found == kernel().registered.end()) return;
  ::epoll_ctl(found->second.epoll, EPOLL_CTL_MOD, fd, &found->second.event);
}

// 0, or the error that a transfer ends with before it begins. `socket` is re-armed.
int refuse_transfer(int socket) {
  if (strikes(kernel().plan.reset)) {
    ++kernel().tally.resets;
    return -ECONNRESET;
  }
  if (!strikes(kernel().plan.try_again)) return 0;
  ++kernel().tally.tries_again;
  report_again(socket);
  return -EAGAIN;
}

size_t shorten(size_t length, int socket) {
  if (length < 2 || !strikes(kernel().plan.short_count)) return length;
  ++kernel().tally.short_counts;
  report_again(socket);
  return 1 + kernel().random.below(length - 1);
}

}  // namespace

void begin(const Plan& plan, uint64_t seed) {
  kernel().plan = plan;
  kernel().tally = Tally{};
  kernel().random = Random(seed);
}
const Tally& tally() {
  return kernel().tally;
}

}  // namespace penstock::faults

namespace penstock::sys::calls {
namespace {

using faults::kernel;
using faults::strikes;

long answer(long result) {
  return result < 0 ? -errno : result;
}
int answer(int result) {
  return result < 0 ? -errno : result;
}

bool is_socket(int fd) {
  int type = 0;
  socklen_t length = sizeof(type);
  return ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0;
}

}  // namespace

int socket(int family, int type) {
  return answer(::socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}
int bind(int fd, const sockaddr* address, socklen_t length) {
  return answer(::bind(fd, address, length));
}
int listen(int fd, int backlog) {
  return answer(::listen(fd, backlog));
}
int accept(int fd, sockaddr* address, socklen_t* length) {
  return answer(::accept4(fd, address, length, SOCK_NONBLOCK | SOCK_CLOEXEC));
}
int connect(int fd, const sockaddr* address, socklen_t length) {
  return answer(::connect(fd, address, length));
}
int shutdown(int fd, int how) {
  return answer(::shutdown(fd, how));
}
int close(int fd) {
  kernel().registered.erase(fd);
  return answer(::close(fd));
}

int getsockopt(int fd, int level, int option, void* value, socklen_t* length) {
  return answer(::getsockopt(fd, level, option, value, length));
}
int setsockopt(int fd, int level, int option, const void* value, socklen_t length) {
  if (strikes(kernel().plan.no_option) && option != SO_LINGER) return -ENOPROTOOPT;
  return answer(::setsockopt(fd, level, option, value, length));
}
int unsent(int fd) {
  int bytes = 0;
  const int result = answer(::ioctl(fd, SIOCOUTQ, &bytes));
  return result < 0 ? result : bytes;
}
int getsockname(int fd, sockaddr* address, socklen_t* length) {
  return answer(::getsockname(fd, address, length));
}

long recv(int fd, void* buffer, size_t length) {
  if (const int error = faults::refuse_transfer(fd)) return error;
  return answer(::recv(fd, buffer, faults::shorten(length, fd), 0));
}
long peek(int fd, void* buffer, size_t length) {
  if (const int error = faults::refuse_transfer(fd)) return error;
  return answer(::recv(fd, buffer, length, MSG_PEEK));
}
long send(int fd, const void* buffer, size_t length) {
  if (const int error = faults::refuse_transfer(fd)) return error;
  return answer(::send(fd, buffer, faults::shorten(length, fd), MSG_NOSIGNAL));
}
long recvmsg(int fd, msghdr* message) {
  if (const int error = faults::refuse_transfer(fd)) return error;
  return answer(::recvmsg(fd, message, 0));
}
long sendmsg(int fd, const msghdr* message) {
  if (const int error = faults::refuse_transfer(fd)) return error;
  return answer(::sendmsg(fd, message, MSG_NOSIGNAL));
}

int pipe(int ends[2]) {
  if (strikes(kernel().plan.no_pipe)) {
    return ++kernel().tally.refused_pipes % 2 == 0 ? -EMFILE : -ENFILE;
  }
  return answer(::pipe2(ends, O_NONBLOCK | O_CLOEXEC));
}
int set_pipe_size(int fd, int bytes) {
  if (strikes(kernel().plan.no_pipe_size)) {
    ++kernel().tally.refused_sizes;
    return -EPERM;
  }
  return answer(::fcntl(fd, F_SETPIPE_SZ, bytes));
}
long splice(int from, int to, size_t length, bool more) {
  ++kernel().tally.splices;
  if (more) ++kernel().tally.splices_with_more;
  const bool into_pipe = is_socket(from);
  const int socket = into_pipe ? from : to;
  if (into_pipe && strikes(kernel().plan.no_splice)) {
    ++kernel().tally.refused_splices;
    return -EINVAL;
  }
  if (const int error = faults::refuse_transfer(socket)) return error;
  const unsigned flags = SPLICE_F_MOVE | SPLICE_F_NONBLOCK | (more ? SPLICE_F_MORE : 0u);
  return answer(::splice(from, nullptr, to, nullptr, faults::shorten(length, socket), flags));
}

int epoll_create() {
  return answer(::epoll_create1(EPOLL_CLOEXEC));
}
int epoll_add(int epoll, int fd, uint32_t events, uint64_t tag) {
  if (strikes(kernel().plan.no_watch)) {
    return ++kernel().tally.refused_watches % 2 == 0 ? -ENOSPC : -ENOMEM;
  }
  epoll_event event{};
  event.events = events;
  event.data.u64 = tag;
  kernel().registered[fd] = {epoll, event};
  return answer(::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
}
int epoll_modify(int epoll, int fd, uint32_t events, uint64_t tag) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = tag;
  kernel().registered[fd] = {epoll, event};
  return answer(::epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event));
}
int epoll_remove(int epoll, int fd) {
  kernel().registered.erase(fd);
  return answer(::epoll_ctl(epoll, EPOLL_CTL_DEL, fd, nullptr));
}
int epoll_wait(int epoll, epoll_event* events, int capacity, int timeout_ms) {
  const int count = ::epoll_wait(epoll, events, capacity, timeout_ms);
  return count < 0 && errno == EINTR ? 0 : answer(count);
}

int eventfd() {
  return answer(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
}

}  // namespace penstock::sys::calls
