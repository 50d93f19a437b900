// Pipes for splice(2), reused. A pipe that still holds bytes is destroyed, never reused: the next
// tunnel must not see them.
// Thread: the worker's.
// Limits: an unprivileged user may own 64 MiB of pipe buffers (fs.pipe-user-pages-soft); past it a
// pipe shrinks to what the kernel grants, down to kLeastPipeBytes. Without a pipe a flow goes on
// copying.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "sys/fd.h"

namespace penstock::tunnel {

struct Pipe {
  sys::Fd read_end;
  sys::Fd write_end;
  size_t capacity = 0;  // bytes
};

class PipePool {
 public:
  static constexpr int kPipeBytes = 1 << 20;  // halved CPU per GiB against 64 KiB pipes
  static constexpr int kLeastPipeBytes = 64 * 1024;
  static constexpr size_t kIdleMax = 32;  // pipes kept for reuse

  explicit PipePool(size_t in_use_max = SIZE_MAX) : in_use_max_(in_use_max) {}

  // Nothing: as many are in use as may be, no descriptor is left, or the kernel grants no pipe that
  // beats copying.
  std::optional<Pipe> take();
  // `pipe` must be empty; drop it otherwise.
  void give_back(Pipe pipe);

  size_t in_use() const { return in_use_; }
  size_t idle() const { return idle_.size(); }
  void dropped() { --in_use_; }  // the caller destroyed a pipe that it had taken

 private:
  const size_t in_use_max_;
  std::vector<Pipe> idle_;
  size_t in_use_ = 0;
};

}  // namespace penstock::tunnel
