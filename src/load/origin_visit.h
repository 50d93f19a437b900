// One connection at the origin: a coroutine that behaves as its listener says (origin.h).
// Thread: the loop's.
#pragma once

#include <cstdint>
#include <vector>

#include "load/origin.h"
#include "load/wire.h"
#include "loop/loop.h"
#include "loop/task.h"

namespace penstock::load {

// What all visits of one thread share.
struct House {
  loop::Loop& loop;
  const TlsContext* tls;         // null: plain
  std::vector<uint8_t> scratch;  // kVisitBuffer bytes; nobody leaves anything in it while it waits
};
inline constexpr size_t kVisitBuffer = size_t{256} << 10;

loop::RootTask receive(House& house, Wire wire, Behaviour behaviour);

}  // namespace penstock::load
