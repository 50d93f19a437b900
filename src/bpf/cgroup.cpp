#include "bpf/cgroup.h"

#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace penstock::bpf {

std::expected<std::string, std::string> cgroup_root() {
  std::ifstream mounts("/proc/self/mounts");
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream words(line);
    std::string device, directory, type;
    if (words >> device >> directory >> type && type == "cgroup2") return directory;
  }
  return std::unexpected(
      "no cgroup2 file system is mounted; mount -t cgroup2 none DIRECTORY makes one");
}

std::expected<std::string, std::string> cgroup_of(int pid) {
  auto root = cgroup_root();
  if (!root) return root;
  const std::string who = pid == 0 ? "self" : std::to_string(pid);
  std::ifstream file("/proc/" + who + "/cgroup");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("0::/")) continue;
    std::string directory = *root + line.substr(3);
    // A cgroup outside of our cgroup namespace reads as /../x.
    if (directory.contains("/../")) break;
    while (directory.ends_with('/')) directory.pop_back();
    return directory;
  }
  return std::unexpected(fmt::format("process {} is in no cgroup2 that can be seen here", who));
}

std::expected<CgroupPlace, std::string> cgroup_place(const std::string& directory) {
  struct statfs system{};
  struct stat node{};
  if (statfs(directory.c_str(), &system) != 0 || stat(directory.c_str(), &node) != 0) {
    return std::unexpected(fmt::format("cgroup \"{}\": {}", directory, std::strerror(errno)));
  }
  if (system.f_type != CGROUP2_SUPER_MAGIC) {
    return std::unexpected(
        fmt::format("\"{}\" is no directory of a cgroup2 file system", directory));
  }
  CgroupPlace out{.id = node.st_ino, .level = 0};
  std::error_code ignored;
  // Up until another file system begins.
  for (auto path = std::filesystem::canonical(directory, ignored); path.has_relative_path();) {
    path = path.parent_path();
    if (statfs(path.c_str(), &system) != 0 || system.f_type != CGROUP2_SUPER_MAGIC) break;
    ++out.level;
  }
  return out;
}

}  // namespace penstock::bpf
