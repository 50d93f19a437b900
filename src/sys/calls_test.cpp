#include "sys/calls.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <ctime>
#include <string_view>

#include "sys/fd.h"

namespace penstock::sys {
namespace {

struct Pair {
  Pair() {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    near = Fd(ends[0]);
    far = Fd(ends[1]);
  }
  Fd near;
  Fd far;
};

TEST(Calls, AnswerWithTheErrnoInsteadOfMinusOne) {
  char byte = 0;
  EXPECT_EQ(calls::recv(-1, &byte, 1), -EBADF);
  EXPECT_EQ(calls::close(-1), -EBADF);
  const Pair pair;
  EXPECT_EQ(calls::recv(pair.near.get(), &byte, 1), -EAGAIN);
}

TEST(Calls, SendToAPeerThatLeftIsAnErrorAndNoSignal) {
  Pair pair;
  pair.far.reset();
  EXPECT_EQ(calls::send(pair.near.get(), "x", 1), -EPIPE);  // SIGPIPE would end this process
}

TEST(Calls, EpollWaitThatASignalInterruptsSawNothing) {
  const Fd epoll(calls::epoll_create());
  struct sigaction before{};
  struct sigaction ignore_it{};
  ignore_it.sa_handler = [](int) {};
  ::sigaction(SIGALRM, &ignore_it, &before);
  itimerspec soon{.it_interval = {}, .it_value = {.tv_sec = 0, .tv_nsec = 1'000'000}};
  timer_t timer{};
  ASSERT_EQ(::timer_create(CLOCK_MONOTONIC, nullptr, &timer), 0);
  ASSERT_EQ(::timer_settime(timer, 0, &soon, nullptr), 0);
  epoll_event event{};
  EXPECT_EQ(calls::epoll_wait(epoll.get(), &event, 1, 20'000), 0);
  ::timer_delete(timer);
  ::sigaction(SIGALRM, &before, nullptr);
}

TEST(Calls, SpliceMovesBytesAndNeverBlocks) {
  const Pair from, to;
  int ends[2];
  ASSERT_EQ(calls::pipe(ends), 0);
  const Fd out(ends[0]), in(ends[1]);
  EXPECT_TRUE(::fcntl(in.get(), F_GETFL) & O_NONBLOCK);
  EXPECT_GE(calls::set_pipe_size(in.get(), 8192), 8192);
  EXPECT_EQ(calls::splice(from.near.get(), in.get(), 100, false), -EAGAIN);
  ASSERT_EQ(calls::send(from.far.get(), "hello", 5), 5);
  EXPECT_EQ(calls::splice(from.near.get(), in.get(), 100, false), 5);
  EXPECT_EQ(calls::splice(out.get(), to.near.get(), 5, false), 5);
  std::array<char, 8> arrived;
  ASSERT_EQ(calls::recv(to.far.get(), arrived.data(), arrived.size()), 5);
  EXPECT_EQ(std::string_view(arrived.data(), 5), "hello");
}

}  // namespace
}  // namespace penstock::sys
