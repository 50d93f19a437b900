// THE SEAM: each system call of the data path as a plain function. Tests link another
// calls.cpp that returns short counts, EINTR, EAGAIN and errors on purpose; nothing else in the
// program may make these calls.
//
// Every function answers like the kernel does: a value >= 0, or -errno. EINTR never comes back.
// Descriptors made here are non-blocking and close-on-exec.
#pragma once

#include <sys/epoll.h>
#include <sys/socket.h>

#include <cstddef>
#include <cstdint>

namespace penstock::sys::calls {

int socket(int family, int type);
int bind(int fd, const sockaddr* address, socklen_t length);
int listen(int fd, int backlog);
int accept(int fd, sockaddr* address, socklen_t* length);
int connect(int fd, const sockaddr* address, socklen_t length);
int shutdown(int fd, int how);
int close(int fd);

int getsockopt(int fd, int level, int option, void* value, socklen_t* length);
int setsockopt(int fd, int level, int option, const void* value, socklen_t length);
int unsent(int fd);  // SIOCOUTQ: bytes that the peer has not acknowledged
int getsockname(int fd, sockaddr* address, socklen_t* length);

long recv(int fd, void* buffer, size_t length);
long peek(int fd, void* buffer, size_t length);        // MSG_PEEK: what recv would say, left there
long send(int fd, const void* buffer, size_t length);  // MSG_NOSIGNAL
long recvmsg(int fd, msghdr* message);
long sendmsg(int fd, const msghdr* message);  // MSG_NOSIGNAL

int pipe(int ends[2]);
int set_pipe_size(int fd, int bytes);                     // F_SETPIPE_SZ: the size that was granted
long splice(int from, int to, size_t length, bool more);  // moves, never blocks

int epoll_create();
int epoll_add(int epoll, int fd, uint32_t events, uint64_t tag);
int epoll_modify(int epoll, int fd, uint32_t events, uint64_t tag);
int epoll_remove(int epoll, int fd);
int epoll_wait(int epoll, epoll_event* events, int capacity, int timeout_ms);

int eventfd();

}  // namespace penstock::sys::calls
