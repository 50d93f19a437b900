// What the tests of this layer stand on.
#pragma once

#include <gtest/gtest.h>

#include "loop/loop.h"

namespace penstock::loop {

// Turns until `done`, and gives up where a correct loop would have come to it long ago.
template <class Done>
void drive(Loop& loop, Done&& done) {
  Timer guard(loop);
  guard.arm(loop.read_clock() + std::chrono::seconds(20));
  while (!done() && !guard.expired()) loop.turn(true);
  EXPECT_TRUE(done());
}

}  // namespace penstock::loop
