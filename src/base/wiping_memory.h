// The C library's memory, wiped when it is given back: for libraries that keep credentials of
// others in buffers of their own, and take functions to allocate them by.
// Thread: any.
#pragma once

#include <malloc.h>
#include <string.h>

#include <algorithm>
#include <cstdlib>

namespace penstock {

inline void wiping_free(void* memory) {
  if (memory == nullptr) return;
  ::explicit_bzero(memory, ::malloc_usable_size(memory));
  std::free(memory);
}

inline void* wiping_realloc(void* memory, size_t size) {
  void* const moved = std::malloc(size);
  if (moved == nullptr || memory == nullptr) return moved;
  ::memcpy(moved, memory, std::min(size, ::malloc_usable_size(memory)));
  wiping_free(memory);
  return moved;
}

}  // namespace penstock
