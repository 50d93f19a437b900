// What the program says about its configuration on stderr.
#pragma once

#include <string>

#include "base/fault.h"
#include "config/config.h"
#include "observe/program_log.h"

namespace penstock::server {

observe::Level level_of(config::LogLevel level);

// A line each. `file` is where they were found.
void say_faults(observe::Level level, const Faults& faults, const std::string& file);

}  // namespace penstock::server
