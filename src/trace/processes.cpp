#include "trace/processes.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <optional>
#include <sstream>

#include "base/ascii.h"
#include "sys/calls.h"

namespace penstock::trace {
namespace {

namespace fs = std::filesystem;

struct Process {
  int parent = 0;
  std::string name;
};

std::optional<int> number_of(const fs::path& path) {
  const auto number = parse_decimal(path.filename().string(), INT32_MAX);
  return number ? std::optional(static_cast<int>(*number)) : std::nullopt;
}

// "123 (a name) S 1 ...": the name may hold anything, a bracket too.
std::optional<Process> read_process(int pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  const size_t begin = line.find('('), end = line.rfind(')');
  if (begin == line.npos || end == line.npos || end < begin) return std::nullopt;
  Process out{.parent = 0, .name = line.substr(begin + 1, end - begin - 1)};
  std::istringstream rest(line.substr(end + 1));
  std::string state;
  rest >> state >> out.parent;
  return out;
}

std::map<int, Process> all_processes() {
  std::map<int, Process> out;
  std::error_code ended;
  for (fs::directory_iterator at("/proc", ended), end; !ended && at != end; at.increment(ended)) {
    const auto pid = number_of(at->path());
    if (!pid) continue;
    if (auto process = read_process(*pid)) out.emplace(*pid, std::move(*process));
  }
  return out;
}

std::vector<int> processes_of_cgroup(const std::string& directory) {
  std::vector<int> out;
  const auto add = [&](const fs::path& path) {
    std::ifstream file(path / "cgroup.procs");
    for (int pid = 0; file >> pid;) out.push_back(pid);
  };
  add(directory);
  std::error_code ended;
  for (fs::recursive_directory_iterator at(directory, ended), end; !ended && at != end;
       at.increment(ended)) {
    if (at->is_directory(ended)) add(at->path());
  }
  return out;
}

// Calls `take` with the number of each descriptor that is a socket, and with its inode.
void for_each_socket(int pid, const std::function<void(int, uint64_t)>& take) {
  constexpr std::string_view kPrefix = "socket:[";
  const std::string directory = "/proc/" + std::to_string(pid) + "/fd";
  std::error_code ended;
  for (fs::directory_iterator at(directory, ended), end; !ended && at != end; at.increment(ended)) {
    std::error_code gone;
    const std::string target = fs::read_symlink(at->path(), gone).string();
    const auto fd = number_of(at->path());
    if (gone || !fd || !target.starts_with(kPrefix)) continue;
    uint64_t inode = 0;
    std::from_chars(target.data() + kPrefix.size(), target.data() + target.size(), inode);
    take(*fd, inode);
  }
}

int option(int fd, int name) {
  int value = 0;
  socklen_t length = sizeof(value);
  return sys::calls::getsockopt(fd, SOL_SOCKET, name, &value, &length) == 0 ? value : -1;
}

}  // namespace

bool names_processes(const bpf::Wanted& wanted) {
  return wanted.pid != 0 || !wanted.name.empty() || !wanted.cgroup.empty();
}

std::vector<int> processes(const bpf::Wanted& wanted) {
  if (!wanted.cgroup.empty()) return processes_of_cgroup(wanted.cgroup);
  if (!names_processes(wanted)) return {};
  const auto all = all_processes();
  std::vector<int> out;
  for (const auto& [pid, process] : all) {
    // Up the line of its parents; a bound for the case that it changes under us.
    int ancestor = pid;
    for (int i = 0; i < 64; ++i) {
      const auto at = all.find(ancestor);
      if (at == all.end()) break;
      const bool wanted_here =
          wanted.pid != 0 ? ancestor == wanted.pid : at->second.name == wanted.name;
      if (wanted_here) {
        out.push_back(pid);
        break;
      }
      ancestor = at->second.parent;
    }
  }
  return out;
}

std::vector<sys::Fd> listeners_of(const std::vector<int>& pids) {
  std::vector<sys::Fd> out;
  for (const int pid : pids) {
    const sys::Fd process(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
    if (!process) continue;
    for_each_socket(pid, [&](int fd, uint64_t) {
      sys::Fd socket(static_cast<int>(syscall(SYS_pidfd_getfd, process.get(), fd, 0)));
      if (socket && option(socket.get(), SO_ACCEPTCONN) == 1 &&
          option(socket.get(), SO_PROTOCOL) == IPPROTO_TCP) {
        out.push_back(std::move(socket));
      }
    });
  }
  return out;
}

std::set<uint64_t> socket_inodes_of(const std::vector<int>& pids) {
  std::set<uint64_t> out;
  for (const int pid : pids) {
    for_each_socket(pid, [&](int, uint64_t inode) { out.insert(inode); });
  }
  return out;
}

// Two lines "TcpExt: name name ..." and "TcpExt: number number ...".
uint64_t listen_overflows(int pid) {
  std::ifstream file("/proc/" + (pid == 0 ? "self" : std::to_string(pid)) + "/net/netstat");
  std::string names, numbers;
  while (std::getline(file, names) && std::getline(file, numbers)) {
    if (!names.starts_with("TcpExt:")) continue;
    std::istringstream name_words(names), number_words(numbers);
    for (std::string name, number; name_words >> name && number_words >> number;) {
      if (name == "ListenOverflows") return parse_decimal(number, UINT64_MAX).value_or(0);
    }
  }
  return 0;
}

}  // namespace penstock::trace
