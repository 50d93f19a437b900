// What the tunnels of one worker share: a buffer to copy small reads through, and a pool of pipes
// to splice large streams through. An idle tunnel owns neither.
// Thread: the worker's.   Lifetime: outlives its tunnels.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "tunnel/pipe_pool.h"

namespace penstock::tunnel {

class Relay {
 public:
  // 64 KiB: the least that two fills of it (128 KiB) say "this stream flows", at a size that
  // stays in the L2 cache.
  static constexpr size_t kBufferBytes = 64 * 1024;

  // `pipes_max`: pipes that its tunnels may hold at one time.
  explicit Relay(size_t pipes_max = SIZE_MAX);

  std::span<uint8_t> buffer() { return {buffer_.get(), kBufferBytes}; }
  PipePool& pipes() { return pipes_; }

 private:
  std::unique_ptr<uint8_t[]> buffer_;
  PipePool pipes_;
};

}  // namespace penstock::tunnel
