#include "sys/process.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string>

namespace penstock::sys {
namespace {

// A child, so that nothing of it stays: signal masks, limits, environment, descriptors.
template <class Body>
void in_a_child(Body&& body) {
  std::fflush(nullptr);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    body();
    std::fflush(nullptr);
    ::_exit(testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "see the failures above";
}

TEST(Process, RaisesItsDescriptorLimitToTheHardOne) {
  in_a_child([] {
    rlimit limit{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_max = 600;
    limit.rlim_cur = 64;
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
    EXPECT_EQ(raise_descriptor_limit(), 600u);
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
    EXPECT_EQ(limit.rlim_cur, 600u);
  });
}

TEST(Process, CountsTheCpusThatItMayUse) {
  in_a_child([] {
    EXPECT_GE(usable_cpus(), 1u);
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(::sched_getcpu(), &one);
    ASSERT_EQ(::sched_setaffinity(0, sizeof(one), &one), 0);
    EXPECT_EQ(usable_cpus(), 1u);
  });
}

TEST(Process, KnowsTheAddressesOfItsMachine) {
  const auto addresses = interface_addresses();
  ASSERT_TRUE(addresses);
  EXPECT_THAT(*addresses, testing::Contains(IpAddress::from_v4(127, 0, 0, 1)));
}

TEST(Process, SaysWhyItCannotKnowTheAddressesOfItsMachine) {
  in_a_child([] {
    const rlimit none{};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
    const auto addresses = interface_addresses();
    ASSERT_FALSE(addresses) << "no descriptor is not the same as no address";
    EXPECT_EQ(addresses.error(), EMFILE);
  });
}

TEST(Process, ReadsSignalsOneByOneFromADescriptor) {
  in_a_child([] {
    const Fd signals = signal_descriptor({SIGHUP, SIGTERM});
    EXPECT_EQ(next_signal(signals.get()), 0);
    ::raise(SIGHUP);
    EXPECT_EQ(next_signal(signals.get()), SIGHUP);
    ::raise(SIGTERM);
    EXPECT_EQ(next_signal(signals.get()), SIGTERM);
    EXPECT_EQ(next_signal(signals.get()), 0);
  });
}

// The first descriptors of this child become what systemd would have passed.
void pretend_to_inherit(int count, pid_t pid) {
  for (int i = 0; i < count; ++i) {
    const int made = ::socket(AF_INET, SOCK_STREAM, 0);
    if (made == 3 + i) continue;
    ASSERT_EQ(::dup2(made, 3 + i), 3 + i);
    ::close(made);
  }
  ::setenv("LISTEN_PID", std::to_string(pid).c_str(), 1);
  ::setenv("LISTEN_FDS", std::to_string(count).c_str(), 1);
  ::setenv("LISTEN_FDNAMES", "a:b", 1);
}

TEST(Process, TakesTheSocketsThatTheServiceManagerPassed) {
  in_a_child([] {
    pretend_to_inherit(2, ::getpid());
    const auto sockets = inherited_listeners();
    ASSERT_EQ(sockets.size(), 2u);
    for (const Fd& fd : sockets) {
      EXPECT_TRUE(::fcntl(fd.get(), F_GETFL) & O_NONBLOCK);
      EXPECT_TRUE(::fcntl(fd.get(), F_GETFD) & FD_CLOEXEC);
    }
    EXPECT_EQ(::getenv("LISTEN_FDS"), nullptr) << "no child of ours takes them again";
    EXPECT_TRUE(inherited_listeners().empty());
  });
}

TEST(Process, LeavesSocketsThatWerePassedToAnother) {
  in_a_child([] {
    pretend_to_inherit(1, ::getppid());
    EXPECT_TRUE(inherited_listeners().empty());
    EXPECT_GE(::fcntl(3, F_GETFD), 0) << "not ours to close";
    EXPECT_EQ(::getenv("LISTEN_PID"), nullptr);
  });
}

TEST(Process, IgnoresACountThatIsNoNumber) {
  in_a_child([] {
    pretend_to_inherit(1, ::getpid());
    ::setenv("LISTEN_FDS", "-1", 1);
    EXPECT_TRUE(inherited_listeners().empty());
  });
}

TEST(Process, TellsTheServiceManagerInOneDatagram) {
  in_a_child([] {
    const std::string name = "penstock-test-" + std::to_string(::getpid());
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path + 1, name.data(), name.size());
    const Fd manager(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::bind(manager.get(), reinterpret_cast<const sockaddr*>(&address),
                     static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size())),
              0);
    ::setenv("NOTIFY_SOCKET", ("@" + name).c_str(), 1);
    notify_service_manager("READY=1");
    char buffer[64];
    const ssize_t n = ::recv(manager.get(), buffer, sizeof(buffer), 0);
    EXPECT_EQ(std::string_view(buffer, n < 0 ? 0 : static_cast<size_t>(n)), "READY=1");
    ::unsetenv("NOTIFY_SOCKET");
    notify_service_manager("STOPPING=1");
    EXPECT_LT(::recv(manager.get(), buffer, sizeof(buffer), 0), 0);
  });
}

TEST(Process, IsNotTroubledByANotifySocketThatIsNone) {
  in_a_child([] {
    for (const char* path : {"", "relative", "/nonexistent/socket"}) {
      ::setenv("NOTIFY_SOCKET", path, 1);
      notify_service_manager("READY=1");
    }
    ::setenv("NOTIFY_SOCKET", ("/" + std::string(200, 'x')).c_str(), 1);
    notify_service_manager("READY=1");
  });
}

TEST(Process, DuplicatesADescriptorForItselfOnly) {
  const Fd one(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto two = duplicate(one.get());
  ASSERT_TRUE(two);
  EXPECT_NE(two->get(), one.get());
  EXPECT_TRUE(::fcntl(two->get(), F_GETFD) & FD_CLOEXEC);
  EXPECT_EQ(duplicate(-1).error(), EBADF);
}

}  // namespace
}  // namespace penstock::sys
