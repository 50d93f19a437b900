#include "trace/choose.h"

#include <fmt/format.h>

#include "bpf/capabilities.h"
#include "bpf/cgroup.h"
#include "trace/processes.h"
#include "trace/sock_diag.h"

namespace penstock::trace {
namespace {

using bpf::Opened;
using bpf::Wanted;

Opened open_sock_ops(const Wanted& wanted) {
  std::vector<int> listeners;
  const bool by_process = wanted.pid != 0 || !wanted.name.empty();
  const auto owned = by_process ? listeners_of(processes(wanted)) : std::vector<sys::Fd>();
  listeners.reserve(owned.size());
  for (const sys::Fd& listener : owned) listeners.push_back(listener.get());
  return bpf::open_sock_ops(wanted, listeners);
}

Opened open(Backend backend, const Wanted& wanted) {
  switch (backend) {
    case Backend::kFentry: return bpf::open_functions(wanted, bpf::Entry::kFentry);
    case Backend::kKprobe: return bpf::open_functions(wanted, bpf::Entry::kKprobe);
    case Backend::kSockOps: return open_sock_ops(wanted);
    case Backend::kPackets: return bpf::open_packets(wanted);
    case Backend::kAuto:
    case Backend::kSockDiag: break;
  }
  return open_sock_diag(wanted);
}

// Whoever names an interface wants its packets; they know no processes, and the others no
// interface.
std::vector<Backend> candidates(const Options& options, bool permitted) {
  if (options.backend != Backend::kAuto) return {options.backend};
  if (!options.wanted.interface.empty()) return {Backend::kPackets};
  if (!permitted) return {Backend::kSockDiag};
  return {Backend::kFentry, Backend::kKprobe, Backend::kSockOps, Backend::kSockDiag};
}

}  // namespace

std::string_view word(Backend backend) {
  switch (backend) {
    case Backend::kAuto: return "auto";
    case Backend::kFentry: return "fentry";
    case Backend::kKprobe: return "kprobe";
    case Backend::kSockOps: return "sock_ops";
    case Backend::kPackets: return "packets";
    case Backend::kSockDiag: return "sock_diag";
  }
  return "unknown";
}

std::expected<Choice, std::string> choose(const Options& options) {
  Wanted wanted = options.wanted;
  if (options.self) {
    auto own = bpf::cgroup_of(0);
    if (!own) return std::unexpected("--self: " + own.error());
    wanted.cgroup = std::move(*own);
  }
  if (names_processes(wanted) && wanted.cgroup.empty() && processes(wanted).empty()) {
    return std::unexpected(wanted.pid != 0
                               ? fmt::format("--pid: there is no process {}", wanted.pid)
                               : fmt::format("--comm: no process is named \"{}\"", wanted.name));
  }
  if (!wanted.cgroup.empty()) {
    if (const auto place = bpf::cgroup_place(wanted.cgroup); !place) {
      return std::unexpected(place.error());
    }
  }
  const std::string lacking = bpf::lacking_capabilities(bpf::effective_capabilities());
  Choice out;
  if (!lacking.empty() && options.backend == Backend::kAuto) {
    out.refusals.push_back("no BPF: this process lacks " + lacking);
  }
  for (const Backend backend : candidates(options, lacking.empty())) {
    auto source = open(backend, wanted);
    if (source) {
      out.source = std::move(*source);
      return out;
    }
    out.refusals.push_back(source.error());
  }
  std::string all;
  for (const std::string& why : out.refusals) all += (all.empty() ? "" : "\n") + why;
  return std::unexpected(all);
}

}  // namespace penstock::trace
