// A small file that an administrator may change at any time, read again when it did.
// Thread: one.   Cost: one stat per second at most, and only while somebody asks; the file is
// read on the loop's thread, which is why it is bounded.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "base/time.h"

namespace penstock::dns {

class FollowedFile {
 public:
  // Of a longer file the whole lines within `bytes_max` are read.
  FollowedFile(std::string path, size_t bytes_max);

  // The contents, the first time and whenever modification time, size or inode differ from those
  // that were read. A file that is missing or cannot be read is an empty one.
  std::optional<std::string> changed(Instant now);

  static constexpr Duration kInterval = std::chrono::seconds(1);

 private:
  struct Stamp {
    int64_t modified_ns = 0;
    int64_t size = -1;  // -1: there is no file
    ino_t inode = 0;
    friend bool operator==(const Stamp&, const Stamp&) = default;
  };
  Stamp stamp() const;
  std::string read() const;

  std::string path_;
  size_t bytes_max_;
  std::optional<Stamp> last_;
  Instant next_look_ = Instant::min();
};

}  // namespace penstock::dns
