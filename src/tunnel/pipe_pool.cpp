#include "tunnel/pipe_pool.h"

#include <utility>

#include "base/check.h"
#include "sys/calls.h"

namespace penstock::tunnel {
namespace {

// What the kernel grants of the sizes worth having. An unprivileged user past
// fs.pipe-user-pages-soft gets pipes of two pages and may not grow them: copying beats splicing
// through 8 KiB, so such a pipe is no pipe.
size_t grow(int fd) {
  for (const int bytes : {PipePool::kPipeBytes, 256 * 1024, PipePool::kLeastPipeBytes}) {
    const int granted = sys::calls::set_pipe_size(fd, bytes);
    if (granted >= bytes) return static_cast<size_t>(granted);
  }
  return 0;
}

}  // namespace

std::optional<Pipe> PipePool::take() {
  if (in_use_ >= in_use_max_) return std::nullopt;
  Pipe pipe;
  if (!idle_.empty()) {
    pipe = std::move(idle_.back());
    idle_.pop_back();
  } else {
    int ends[2] = {-1, -1};
    if (sys::calls::pipe(ends) < 0) return std::nullopt;
    pipe.read_end = sys::Fd(ends[0]);
    pipe.write_end = sys::Fd(ends[1]);
    pipe.capacity = grow(pipe.write_end.get());
    if (pipe.capacity == 0) return std::nullopt;
  }
  ++in_use_;
  return pipe;
}

void PipePool::give_back(Pipe pipe) {
  PENSTOCK_CHECK(in_use_ > 0 && pipe.read_end && pipe.write_end);
  --in_use_;
  if (idle_.size() < kIdleMax) idle_.push_back(std::move(pipe));
}

}  // namespace penstock::tunnel
