#include "sys/child.h"

#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>

#include "base/check.h"

namespace penstock::sys {
namespace {

// The proxy blocks signals to read them from a descriptor, and ignores SIGPIPE. No child of its
// wants to inherit that.
class Attributes {
 public:
  Attributes() {
    PENSTOCK_CHECK(posix_spawnattr_init(&attributes_) == 0);
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    PENSTOCK_CHECK(posix_spawnattr_setsigmask(&attributes_, &none) == 0);
    PENSTOCK_CHECK(posix_spawnattr_setsigdefault(&attributes_, &all) == 0);
    PENSTOCK_CHECK(posix_spawnattr_setflags(&attributes_,
                                            POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF) == 0);
  }
  ~Attributes() { posix_spawnattr_destroy(&attributes_); }
  Attributes(const Attributes&) = delete;
  Attributes& operator=(const Attributes&) = delete;

  const posix_spawnattr_t* get() const { return &attributes_; }

 private:
  posix_spawnattr_t attributes_;
};

class Actions {
 public:
  explicit Actions(int descriptor) {
    PENSTOCK_CHECK(posix_spawn_file_actions_init(&actions_) == 0);
    // Where both numbers are the same this clears close-on-exec.
    PENSTOCK_CHECK(posix_spawn_file_actions_adddup2(&actions_, descriptor, Child::kDescriptor) ==
                   0);
  }
  ~Actions() { posix_spawn_file_actions_destroy(&actions_); }
  Actions(const Actions&) = delete;
  Actions& operator=(const Actions&) = delete;

  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_;
};

}  // namespace

SysResult<Child> Child::start(const std::string& program,
                              const std::vector<std::string>& arguments) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return std::unexpected(errno);
  }
  Fd ours(ends[0]);
  const Fd theirs(ends[1]);
  std::vector<char*> pointers;
  pointers.reserve(arguments.size() + 1);
  // SAFETY: posix_spawn() changes none of them.
  for (const auto& argument : arguments) pointers.push_back(const_cast<char*>(argument.c_str()));
  pointers.push_back(nullptr);
  const Attributes attributes;
  const Actions actions(theirs.get());
  pid_t pid = 0;
  const int error = ::posix_spawn(&pid, program.c_str(), actions.get(), attributes.get(),
                                  pointers.data(), ::environ);
  if (error != 0) return std::unexpected(error);
  return Child(std::move(ours), pid);
}

void Child::end() {
  socket_.reset();
  const pid_t pid = std::exchange(pid_, 0);
  if (pid <= 0) return;
  ::kill(pid, SIGKILL);
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
}

void Child::be_patient(Duration patience) {
  const auto microseconds = std::chrono::duration_cast<std::chrono::microseconds>(patience).count();
  const timeval time{.tv_sec = microseconds / 1'000'000, .tv_usec = microseconds % 1'000'000};
  for (const int option : {SO_RCVTIMEO, SO_SNDTIMEO}) {
    PENSTOCK_CHECK(::setsockopt(socket_.get(), SOL_SOCKET, option, &time, sizeof(time)) == 0);
  }
}

}  // namespace penstock::sys
