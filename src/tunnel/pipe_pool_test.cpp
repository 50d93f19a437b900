#include "tunnel/pipe_pool.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <utility>
#include <vector>

namespace penstock::tunnel {
namespace {

TEST(PipePool, HandsOutTheSamePipeAgain) {
  PipePool pool;
  auto first = pool.take();
  ASSERT_TRUE(first);
  EXPECT_GE(first->capacity, static_cast<size_t>(PipePool::kLeastPipeBytes));
  const int number = first->read_end.get();
  EXPECT_EQ(pool.in_use(), 1u);
  pool.give_back(std::move(*first));
  EXPECT_EQ(pool.in_use(), 0u);
  EXPECT_EQ(pool.idle(), 1u);
  const auto second = pool.take();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->read_end.get(), number);
  pool.dropped();
}

TEST(PipePool, KeepsNoMoreIdlePipesThanItsLimit) {
  PipePool pool;
  std::vector<Pipe> pipes;
  for (size_t i = 0; i < PipePool::kIdleMax + 3; ++i) {
    auto pipe = pool.take();
    ASSERT_TRUE(pipe);
    pipes.push_back(std::move(*pipe));
  }
  EXPECT_EQ(pool.in_use(), PipePool::kIdleMax + 3);
  for (Pipe& pipe : pipes) pool.give_back(std::move(pipe));
  EXPECT_EQ(pool.idle(), PipePool::kIdleMax);
  EXPECT_EQ(pool.in_use(), 0u);
}

TEST(PipePool, GivesNothingWhenNoDescriptorIsLeft) {
  PipePool pool;
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit none = before;
  none.rlim_cur = 0;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const auto pipe = pool.take();
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_FALSE(pipe);
  EXPECT_EQ(pool.in_use(), 0u);
  EXPECT_TRUE(pool.take());
  pool.dropped();
}

TEST(PipePoolDeath, RefusesAPipeThatItNeverGave) {
  PipePool pool;
  EXPECT_DEATH(pool.give_back(Pipe{}), "in_use_");
}

}  // namespace
}  // namespace penstock::tunnel
