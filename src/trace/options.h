// What `penstock trace` was asked to do.
#pragma once

#include <optional>
#include <string>

#include "base/ip.h"
#include "base/time.h"
#include "bpf/source.h"

namespace penstock::trace {

enum class Backend { kAuto, kFentry, kKprobe, kSockOps, kPackets, kSockDiag };

struct Options {
  bpf::Wanted wanted;
  bool self = false;  // the cgroup that this command runs in
  Backend backend = Backend::kAuto;
  Duration interval = std::chrono::seconds(1);
  Duration duration = Duration::zero();  // zero: until it is told to end
  bool json = false;
  std::optional<Endpoint> prometheus;
  std::string plot;  // a file; empty: none
};

}  // namespace penstock::trace
