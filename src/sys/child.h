// A program that runs beside us, and a socket of whole messages (SOCK_SEQPACKET) to it.
// Thread: one at a time.   Lifetime: ends the child.   Cost: a start is some milliseconds, whatever
// memory we have, since nothing of it is copied (posix_spawn).
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/time.h"
#include "sys/fd.h"
#include "sys/socket.h"

namespace penstock::sys {

class Child {
 public:
  static constexpr int kDescriptor = 3;  // its end of the socket, as it sees it

  Child() = default;
  // `arguments` begin with the name that the program is told. It gets our environment, no signal
  // blocked or ignored, and of our descriptors what is not close-on-exec.
  static SysResult<Child> start(const std::string& program,
                                const std::vector<std::string>& arguments);
  Child(Child&& other) noexcept
      : socket_(std::move(other.socket_)), pid_(std::exchange(other.pid_, 0)) {}
  Child& operator=(Child&& other) noexcept {
    std::swap(socket_, other.socket_);
    std::swap(pid_, other.pid_);
    return *this;
  }
  ~Child() { end(); }

  // Kills it, if it is not dead already, and waits for its end.
  void end();

  explicit operator bool() const { return pid_ > 0; }
  int descriptor() const { return socket_.get(); }  // blocks, for no longer than our patience
  pid_t pid() const { return pid_; }
  // How long each send and each receive waits before it is -EAGAIN.
  void be_patient(Duration patience);

 private:
  Child(Fd socket, pid_t pid) : socket_(std::move(socket)), pid_(pid) {}

  Fd socket_;
  pid_t pid_ = 0;
};

}  // namespace penstock::sys
