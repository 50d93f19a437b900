// What the admin server may ask of the process. server/ implements it; tests do too.
// Thread: the main loop's.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "admin/window.h"
#include "admission/door.h"
#include "admission/memory.h"
#include "admission/quotas.h"
#include "bump/mint.h"
#include "identity/key_source.h"
#include "loop/task.h"
#include "session/metrics.h"

namespace penstock::admin {

// What the whole process knows at one moment.
struct Snapshot {
  struct WorkerState {
    std::shared_ptr<const session::Metrics> metrics;
    uint64_t turns = 0;
    uint64_t busy_ns = 0;
    uint64_t stalls = 0;
  };
  std::vector<WorkerState> workers;
  uint64_t seats_taken = 0;
  uint64_t seats = 0;
  admission::Door::Facts door;
  std::vector<admission::Door::DestinationFacts> destinations;  // those not well first
  std::map<std::string, admission::QuotaRefusals> quota_refusals;
  uint64_t quota_accounts = 0;
  uint64_t logins_waiting = 0;
  uint64_t logins_known = 0;
  std::vector<identity::KeySource::Facts> key_sources;
  std::optional<bump::Mint::Counts> mint;  // none: nothing is inspected
  std::vector<std::string> icap_services;  // by their places
  admission::MemoryUse memory;
  bool memory_short = false;
  uint64_t local_ports = 0;  // that one source address has towards one destination
  std::optional<Measured> measured;
  uint64_t descriptors_open = 0;
  uint64_t descriptors_limit = 0;
  uint64_t rules = 0;
  uint64_t reloads_done = 0;
  uint64_t reloads_refused = 0;
  uint64_t log_lines_written = 0;
  uint64_t log_lines_dropped = 0;
  double uptime_seconds = 0;
  struct PortsOf {
    std::string source;  // address, or "any": the kernel chooses
    uint64_t in_use = 0;
    uint64_t resting = 0;  // in TIME_WAIT
  };
  std::vector<PortsOf> ports;
  uint64_t ports_refused = 0;
  uint64_t ports_refused_by_kernel = 0;
  uint64_t routes_open = 0;
  uint64_t routes_passed_over = 0;
};

class Controls {
 public:
  virtual ~Controls() = default;
  virtual bool draining() const = 0;
  // Asks each worker to bring its numbers up to now; one that does not answer within a second is
  // reported as it last was.
  virtual loop::Task<Snapshot> snapshot() = 0;
  // What /metrics says; the snapshot as Prometheus text, unless it is another process than a proxy.
  virtual loop::Task<std::string> metrics();
};

}  // namespace penstock::admin
