// What memory this process uses, and what the control group around it allows (cgroups(7), version 2
// and version 1).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace penstock::sys {

// Bytes of this process that are in memory; 0 where /proc cannot be read.
uint64_t resident_bytes();

// Gives back to the kernel what malloc keeps for later. Takes up to some milliseconds.
void give_back_free_memory();

// A control group that limits memory.
class MemoryGroup {
 public:
  // What is charged to it: all of its processes, and the kernel's memory for them, such as socket
  // buffers (version 1: only where kmem accounting is on). File pages that nobody has used lately
  // are left out, since the kernel drops those before anybody is short: a log file alone would
  // fill every limit.
  struct Usage {
    uint64_t used = 0;
    uint64_t limit = 0;
  };

  // The tightest of the groups that this process is in, those above it included; nothing: none of
  // them has a limit. `membership` and `root` are for tests.
  static std::optional<MemoryGroup> find(const std::string& membership = "/proc/self/cgroup",
                                         const std::string& root = "/sys/fs/cgroup");

  // As of now, for both may change; nothing: it cannot be read, or has no limit any more.
  std::optional<Usage> usage() const;

 private:
  // What the files are called.
  struct Files {
    const char* limit;
    const char* used;
    const char* droppable;  // the line of memory.stat
  };
  static constexpr Files kVersion2{"/memory.max", "/memory.current", "inactive_file"};
  static constexpr Files kVersion1{"/memory.limit_in_bytes", "/memory.usage_in_bytes",
                                   "total_inactive_file"};

  MemoryGroup(std::string directory, const Files& files)
      : directory_(std::move(directory)), files_(&files) {}
  std::optional<uint64_t> limit() const;

  std::string directory_;
  const Files* files_;
};

}  // namespace penstock::sys
