#include "server/report.h"

namespace penstock::server {

using observe::Level;

Level level_of(config::LogLevel level) {
  switch (level) {
    case config::LogLevel::kDebug: return Level::kDebug;
    case config::LogLevel::kInfo: return Level::kInfo;
    case config::LogLevel::kWarning: return Level::kWarning;
    case config::LogLevel::kError: return Level::kError;
  }
  return Level::kInfo;
}

void say_faults(Level level, const Faults& faults, const std::string& file) {
  for (const Fault& fault : faults) {
    std::string line = config::describe({fault}, file);
    while (line.ends_with('\n')) line.pop_back();
    observe::say(level, line);
  }
}

}  // namespace penstock::server
