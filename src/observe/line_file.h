// The place that lines are written to: a file, or whatever stdout and stderr are.
// Thread: the writer's; open() any.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

#include "sys/fd.h"

namespace penstock::observe {

class LineFile {
 public:
  using Parts = std::array<std::string_view, 2>;

  // `where`: "stdout", "stderr" or a path. On failure `*why_not` is one line that says what to do.
  static LineFile open(const std::string& where, std::string* why_not);

  explicit operator bool() const { return static_cast<bool>(fd_); }
  // Writes the beginning of `parts`, at most PIPE_BUF bytes of it where more could block. Returns
  // the bytes written, 0 if there is still no room after `patience`, or -errno.
  long write(const Parts& parts, std::chrono::milliseconds patience) const;

 private:
  sys::Fd fd_;
  bool can_block_ = false;  // a pipe, a terminal, a socket
};

}  // namespace penstock::observe
