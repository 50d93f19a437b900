// Where cgroups of version 2 are: the place that sock_ops programs are attached to.
#pragma once

#include <cstdint>
#include <expected>
#include <string>

namespace penstock::bpf {

// Where a cgroup2 file system is mounted; a sentence if nowhere.
std::expected<std::string, std::string> cgroup_root();

// The directory of the cgroup that a process is in; `pid` 0: this one.
std::expected<std::string, std::string> cgroup_of(int pid);

struct CgroupPlace {
  uint64_t id = 0;     // as BPF programs see it
  uint32_t level = 0;  // how many directories below the root
};
std::expected<CgroupPlace, std::string> cgroup_place(const std::string& directory);

}  // namespace penstock::bpf
