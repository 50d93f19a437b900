#include "base/wall_time.h"

#include <cstdint>
#include <ctime>

namespace penstock {
namespace {

// In front of it `separator`. By hand, since snprintf() took a third of a log line's time.
void append_padded(std::string& out, char separator, int64_t value, int digits) {
  char text[8];
  text[0] = separator;
  for (int i = digits; i > 0; --i, value /= 10) text[i] = static_cast<char>('0' + value % 10);
  out.append(text, static_cast<size_t>(digits) + 1);
}

}  // namespace

void append_utc(std::string& out, std::chrono::system_clock::time_point at) {
  const auto millis = std::chrono::floor<std::chrono::milliseconds>(at.time_since_epoch()).count();
  const auto seconds = static_cast<time_t>(millis / 1000);
  tm parts{};
  gmtime_r(&seconds, &parts);
  out += std::to_string(parts.tm_year + 1900);
  append_padded(out, '-', parts.tm_mon + 1, 2);
  append_padded(out, '-', parts.tm_mday, 2);
  append_padded(out, 'T', parts.tm_hour, 2);
  append_padded(out, ':', parts.tm_min, 2);
  append_padded(out, ':', parts.tm_sec, 2);
  append_padded(out, '.', millis - seconds * 1000, 3);
  out += 'Z';
}

}  // namespace penstock
