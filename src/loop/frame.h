// Where coroutine frames come from, counted: when a loop ends, every frame that it made must be
// gone, and tests assert that.
// Thread: a frame is made and freed on the same thread.
#pragma once

#include <cstddef>
#include <cstdint>

namespace penstock::loop {

void* allocate_frame(size_t bytes);
void free_frame(void* frame, size_t bytes);

// Frames alive on this thread, and what they take: an idle tunnel's share is asserted too.
int64_t live_frames();
int64_t live_frame_bytes();

// Coroutine promises inherit this.
struct CountedFrame {
  static void* operator new(size_t bytes) { return allocate_frame(bytes); }
  static void operator delete(void* frame, size_t bytes) { free_frame(frame, bytes); }
};

}  // namespace penstock::loop
