#include "sys/calls.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>

namespace penstock::sys::calls {
namespace {

template <class Call>
auto repeat(Call call) {
  decltype(call()) result;
  do {
    result = call();
  } while (result < 0 && errno == EINTR);
  return result < 0 ? static_cast<decltype(result)>(-errno) : result;
}

}  // namespace

int socket(int family, int type) {
  return repeat([&] { return ::socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0); });
}
int bind(int fd, const sockaddr* address, socklen_t length) {
  return repeat([&] { return ::bind(fd, address, length); });
}
int listen(int fd, int backlog) {
  return repeat([&] { return ::listen(fd, backlog); });
}
int accept(int fd, sockaddr* address, socklen_t* length) {
  return repeat([&] { return ::accept4(fd, address, length, SOCK_NONBLOCK | SOCK_CLOEXEC); });
}
int connect(int fd, const sockaddr* address, socklen_t length) {
  // A non-blocking connect that was interrupted goes on by itself; asking again would only
  // answer EALREADY.
  if (::connect(fd, address, length) == 0) return 0;
  return errno == EINTR ? -EINPROGRESS : -errno;
}
int shutdown(int fd, int how) {
  return repeat([&] { return ::shutdown(fd, how); });
}
int close(int fd) {
  // On Linux the descriptor is gone even when close() says EINTR; closing again could hit
  // somebody else's new descriptor.
  return ::close(fd) == 0 || errno == EINTR ? 0 : -errno;
}

int getsockopt(int fd, int level, int option, void* value, socklen_t* length) {
  return repeat([&] { return ::getsockopt(fd, level, option, value, length); });
}
int setsockopt(int fd, int level, int option, const void* value, socklen_t length) {
  return repeat([&] { return ::setsockopt(fd, level, option, value, length); });
}
int unsent(int fd) {
  int bytes = 0;
  const int result = repeat([&] { return ::ioctl(fd, SIOCOUTQ, &bytes); });
  return result < 0 ? result : bytes;
}
int getsockname(int fd, sockaddr* address, socklen_t* length) {
  return repeat([&] { return ::getsockname(fd, address, length); });
}

long recv(int fd, void* buffer, size_t length) {
  return repeat([&] { return ::recv(fd, buffer, length, 0); });
}
long peek(int fd, void* buffer, size_t length) {
  return repeat([&] { return ::recv(fd, buffer, length, MSG_PEEK); });
}
long send(int fd, const void* buffer, size_t length) {
  return repeat([&] { return ::send(fd, buffer, length, MSG_NOSIGNAL); });
}
long recvmsg(int fd, msghdr* message) {
  return repeat([&] { return ::recvmsg(fd, message, 0); });
}
long sendmsg(int fd, const msghdr* message) {
  return repeat([&] { return ::sendmsg(fd, message, MSG_NOSIGNAL); });
}

int pipe(int ends[2]) {
  return repeat([&] { return ::pipe2(ends, O_NONBLOCK | O_CLOEXEC); });
}
int set_pipe_size(int fd, int bytes) {
  return repeat([&] { return ::fcntl(fd, F_SETPIPE_SZ, bytes); });
}
long splice(int from, int to, size_t length, bool more) {
  const unsigned flags = SPLICE_F_MOVE | SPLICE_F_NONBLOCK | (more ? SPLICE_F_MORE : 0u);
  return repeat([&] { return ::splice(from, nullptr, to, nullptr, length, flags); });
}

int epoll_create() {
  return repeat([&] { return ::epoll_create1(EPOLL_CLOEXEC); });
}
int epoll_add(int epoll, int fd, uint32_t events, uint64_t tag) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = tag;
  return repeat([&] { return ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event); });
}
int epoll_modify(int epoll, int fd, uint32_t events, uint64_t tag) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = tag;
  return repeat([&] { return ::epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event); });
}
int epoll_remove(int epoll, int fd) {
  return repeat([&] { return ::epoll_ctl(epoll, EPOLL_CTL_DEL, fd, nullptr); });
}
int epoll_wait(int epoll, epoll_event* events, int capacity, int timeout_ms) {
  const int count = ::epoll_wait(epoll, events, capacity, timeout_ms);
  if (count >= 0) return count;
  return errno == EINTR ? 0 : -errno;
}

int eventfd() {
  return repeat([&] { return ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC); });
}

}  // namespace penstock::sys::calls
