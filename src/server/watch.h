// Looks after the whole once a second: takes a sample of every worker for /capacity, holds memory
// against its limit, and makes room where somebody had to be refused and the owner allows it.
// Thread: the main loop's.   Lifetime: shorter than the workers and the Door.
#pragma once

#include <optional>

#include "admin/window.h"
#include "admission/door.h"
#include "admission/memory.h"
#include "admission/shedding.h"
#include "config/config.h"
#include "loop/loop.h"
#include "loop/task.h"
#include "server/survey.h"
#include "sys/memory.h"

namespace penstock::server {

class Watch {
 public:
  // `config`: the one in force, looked at anew each second. `group`: whose memory we share.
  Watch(loop::Loop& loop, const WorkerThreads& workers, admission::Door& door,
        const config::Snapshot& config, std::optional<sys::MemoryGroup> group);

  // Goes on until it is ended.
  loop::RootTask keep();

  std::optional<admin::Measured> measured() const { return window_.measured(); }
  // What was used of the memory when it was last looked at, and what there is.
  const admission::MemoryUse& memory() const { return memory_; }

 private:
  loop::Task<> sample();
  loop::Task<> make_room();
  void look_at_memory();
  admission::Refused newly_refused();

  loop::Loop& loop_;
  const WorkerThreads& workers_;
  admission::Door& door_;
  const config::Snapshot& config_;
  const std::optional<sys::MemoryGroup> group_;
  admin::Window window_;
  admission::MemoryUse memory_;
  admission::MemoryGuard guard_;
  admission::Refused refused_;  // up to the last look
};

}  // namespace penstock::server
