// What the program has to say about itself, on stderr: one line per event, with time and level,
// limited per source line so that a flood of trouble cannot become a flood of log.
// Thread: any.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/time.h"

namespace penstock::observe {

enum class Level : int { kDebug, kInfo, kWarning, kError };

void set_log_level(Level least);

// Writes one line to stderr, e.g. "2026-11-23T05:40:00.123Z info  message". Never blocks: what
// does not fit into a stuck pipe is lost and counted in the next line. Control bytes come out as
// spaces; a line longer than PIPE_BUF (4096) is cut.
void say(Level level, std::string_view message);

// At most `kBurst` lines a second from one place; what was held back is counted in the next line.
// Thread: one per instance.
class LimitedLog {
 public:
  static constexpr int kBurst = 5;
  void say(Level level, std::string_view message);
  void say_at(Instant now, Level level, std::string_view message);

 private:
  int64_t second_ = 0;
  int in_second_ = 0;
  uint64_t held_back_ = 0;
};

}  // namespace penstock::observe
