#include "sys/memory.h"

#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string_view>

#include "base/ascii.h"

namespace penstock::sys {
namespace {

// Version 1 writes "no limit" as the largest number of whole pages.
constexpr uint64_t kLimitMax = uint64_t{1} << 60;

std::optional<uint64_t> read_number(const std::string& path) {
  std::ifstream file(path);
  std::string word;
  if (!(file >> word)) return std::nullopt;
  return parse_decimal(word, UINT64_MAX);
}

// The number behind `name` in lines of "name number".
uint64_t read_line(const std::string& path, std::string_view name) {
  std::ifstream file(path);
  std::string word;
  for (uint64_t number; file >> word >> number;) {
    if (word == name) return number;
  }
  return 0;
}

// Where a process is, in one hierarchy: the third field of "4:memory:/path" or "0::/path".
std::optional<std::string> path_in(const std::string& membership, std::string_view controller) {
  std::ifstream file(membership);
  for (std::string line; std::getline(file, line);) {
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    // Controllers that are mounted together are a comma list.
    const std::string names = "," + line.substr(first + 1, second - first - 1) + ",";
    if (names.contains("," + std::string(controller) + ",")) return line.substr(second + 1);
  }
  return std::nullopt;
}

}  // namespace

uint64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  uint64_t pages = 0, resident = 0;
  if (!(file >> pages >> resident)) return 0;
  return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

void give_back_free_memory() {
  malloc_trim(0);
}

std::optional<uint64_t> MemoryGroup::limit() const {
  const auto limit = read_number(directory_ + files_->limit);
  return limit && *limit < kLimitMax ? limit : std::nullopt;  // "max" is no number
}

std::optional<MemoryGroup::Usage> MemoryGroup::usage() const {
  const auto most = limit();
  const auto used = read_number(directory_ + files_->used);
  if (!most || !used) return std::nullopt;
  const uint64_t droppable = read_line(directory_ + "/memory.stat", files_->droppable);
  return Usage{*used - std::min(*used, droppable), *most};
}

std::optional<MemoryGroup> MemoryGroup::find(const std::string& membership,
                                             const std::string& root) {
  // Where version 1 has the memory controller, version 2 has not.
  const auto in_version1 = path_in(membership, "memory");
  const auto path = in_version1 ? in_version1 : path_in(membership, "");
  if (!path) return std::nullopt;
  const std::string base = in_version1 ? root + "/memory" : root;
  std::optional<MemoryGroup> tightest;
  uint64_t least = kLimitMax;
  // A limit further up holds too. In a container the path may be that of the host, of which only
  // the end of the walk is there.
  for (std::string below = *path;; below.resize(below.rfind('/'))) {
    if (below == "/") below.clear();
    const MemoryGroup group(base + below, in_version1 ? kVersion1 : kVersion2);
    if (const auto limit = group.limit(); limit && *limit < least) {
      least = *limit;
      tightest = group;
    }
    if (!below.contains('/')) return tightest;
  }
}

}  // namespace penstock::sys
