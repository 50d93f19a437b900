// A source of measurements: one way to learn from the kernel what happens to connections. The three
// that load BPF programs are opened here; each is detached when it is destroyed, and what it had in
// the kernel goes with it.
//
// Thread: one.   Limits: shared.h.   Cost: nothing per packet, but for `packets`.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "bpf/readings.h"

namespace penstock::bpf {

// Whose connections. Without any of it: everybody's.
struct Wanted {
  int pid = 0;            // and its children; as this process counts pids
  std::string name;       // of processes, and their children
  std::string cgroup;     // a directory of a cgroup2 file system
  std::string interface;  // for packets
  bool by_destination = false;
};

class Source {
 public:
  virtual ~Source() = default;
  virtual Readings read() = 0;               // since it was opened
  virtual bool measures(Measure) const = 0;  // whether it can know this at all
  virtual bool counts(Event) const = 0;
  // One line: by which means, and where they are attached.
  virtual std::string what() const = 0;
};

// Why a source could not be opened, as one sentence.
using Opened = std::expected<std::unique_ptr<Source>, std::string>;

// On the cgroup, or else on that of the pid, or else on the root of the cgroup2 file system.
// `listeners`: descriptors of listening sockets that are traced although they are older than this;
// the caller may close them afterwards.
Opened open_sock_ops(const Wanted& wanted, const std::vector<int>& listeners);

enum class Entry { kFentry, kKprobe };
Opened open_functions(const Wanted& wanted, Entry entry);

// Needs `interface`, and knows no processes.
Opened open_packets(const Wanted& wanted);

}  // namespace penstock::bpf
