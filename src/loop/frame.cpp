#include "loop/frame.h"

#include <new>

namespace penstock::loop {
namespace {

thread_local int64_t live = 0;
thread_local int64_t live_bytes = 0;

}  // namespace

// glibc's per-thread cache already answers these sizes in about 20 ns; a slab of our own would
// have to beat that before it is worth its code.
void* allocate_frame(size_t bytes) {
  ++live;
  live_bytes += static_cast<int64_t>(bytes);
  return ::operator new(bytes);
}

void free_frame(void* frame, size_t bytes) {
  --live;
  live_bytes -= static_cast<int64_t>(bytes);
  ::operator delete(frame, bytes);
}

int64_t live_frames() {
  return live;
}
int64_t live_frame_bytes() {
  return live_bytes;
}

}  // namespace penstock::loop
