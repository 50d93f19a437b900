#include "base/wall_time.h"

#include <cstdio>
#include <ctime>

namespace penstock {

void append_utc(std::string& out, std::chrono::system_clock::time_point at) {
  const auto millis = std::chrono::floor<std::chrono::milliseconds>(at.time_since_epoch()).count();
  const auto seconds = static_cast<time_t>(millis / 1000);
  tm parts{};
  gmtime_r(&seconds, &parts);
  char buffer[64];
  const int length =
      std::snprintf(buffer, sizeof(buffer), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
                    parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour,
                    parts.tm_min, parts.tm_sec, static_cast<int>(millis % 1000));
  out.append(buffer, static_cast<size_t>(length));
}

}  // namespace penstock
