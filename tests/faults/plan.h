// What the faulty system calls of tests/faults do wrong, and how often. One plan per thread of
// the program; the tests set it, calls_faulty.cpp asks it.
#pragma once

#include <cstdint>

#include "base/random.h"

namespace penstock::faults {

// Chances are in 1/1000 of the calls.
struct Plan {
  uint32_t short_count = 0;   // recv, send and splice move less than they could
  uint32_t try_again = 0;     // recv, send and splice say EAGAIN although they could
  uint32_t reset = 0;         // recv, send and splice fail with ECONNRESET
  uint32_t no_splice = 0;     // splice says EINVAL on its way into a pipe
  uint32_t no_pipe = 0;       // pipe says EMFILE or ENFILE
  uint32_t no_pipe_size = 0;  // F_SETPIPE_SZ says EPERM
  uint32_t no_option = 0;     // setsockopt says ENOPROTOOPT
  uint32_t no_watch = 0;      // epoll_ctl says ENOSPC or ENOMEM to a new descriptor
};

// What was done, so that a test can tell that it tested something.
struct Tally {
  uint64_t short_counts = 0;
  uint64_t tries_again = 0;
  uint64_t resets = 0;
  uint64_t refused_splices = 0;
  uint64_t refused_pipes = 0;
  uint64_t refused_sizes = 0;
  uint64_t refused_watches = 0;
  uint64_t splices = 0;
  uint64_t splices_with_more = 0;
};

void begin(const Plan& plan, uint64_t seed);
const Tally& tally();

}  // namespace penstock::faults
