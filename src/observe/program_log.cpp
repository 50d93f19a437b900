#include "observe/program_log.h"

#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <climits>
#include <string>

#include "base/wall_time.h"

namespace penstock::observe {
namespace {

std::atomic<Level> least_level{Level::kInfo};
std::atomic<uint64_t> unwritten{0};

std::string_view word_of(Level level) {
  switch (level) {
    case Level::kDebug: return "debug ";
    case Level::kInfo: return "info  ";
    case Level::kWarning: return "warn  ";
    case Level::kError: return "error ";
  }
  return "error ";
}

// A message may quote what a stranger sent: a line break in it would forge the next line, and an
// escape sequence would reach the operator's terminal.
void append_printable(std::string& out, std::string_view message) {
  for (const char c : message) {
    const auto byte = static_cast<unsigned char>(c);
    out += byte < 0x20 || byte == 0x7f ? ' ' : c;
  }
}

// Any thread may speak here, workers too, so a stuck terminal must not stop them: poll() says
// that at least PIPE_BUF bytes fit, and never more than that is written. O_NONBLOCK would do the
// same, but it belongs to the open file, which we share with whoever started us.
bool write_line(const std::string& line) {
  pollfd stderr_ready{STDERR_FILENO, POLLOUT, 0};
  if (::poll(&stderr_ready, 1, 0) != 1 || !(stderr_ready.revents & POLLOUT)) return false;
  return ::write(STDERR_FILENO, line.data(), line.size()) == static_cast<ssize_t>(line.size());
}

}  // namespace

void set_log_level(Level least) {
  least_level.store(least, std::memory_order_relaxed);
}

void say(Level level, std::string_view message) {
  if (level < least_level.load(std::memory_order_relaxed)) return;
  std::string line;
  append_utc(line, std::chrono::system_clock::now());
  line.append(" ").append(word_of(level));
  const uint64_t lost = unwritten.exchange(0, std::memory_order_relaxed);
  if (lost > 0) line += "(" + std::to_string(lost) + " lines before this one were lost) ";
  append_printable(line, message);
  if (line.size() >= PIPE_BUF) {
    line.resize(PIPE_BUF - 4);
    line += "...";
  }
  line += '\n';
  if (!write_line(line)) unwritten.fetch_add(lost + 1, std::memory_order_relaxed);
}

void LimitedLog::say(Level level, std::string_view message) {
  say_at(Clock::now(), level, message);
}

void LimitedLog::say_at(Instant now, Level level, std::string_view message) {
  if (level < least_level.load(std::memory_order_relaxed)) return;
  const int64_t second =
      std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
  if (second != second_) {
    second_ = second;
    in_second_ = 0;
  }
  if (in_second_ == kBurst) {
    ++held_back_;
    return;
  }
  ++in_second_;
  if (held_back_ == 0) return observe::say(level, message);
  std::string longer(message);
  longer += " (" + std::to_string(held_back_) + " more like this were held back)";
  held_back_ = 0;
  observe::say(level, longer);
}

}  // namespace penstock::observe
