// Where access-log lines go: one bounded ring per producer and one writer thread for all. A slow
// disk or a full pipe makes lines drop, counted; it never makes a worker wait.
// Thread: a Producer belongs to one thread; reopen(), dropped() and written() any.
// Lifetime: producers are made before their threads start and die with the sink.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace penstock::observe {

class LineSink {
 public:
  class Producer {
   public:
    virtual ~Producer() = default;
    // `line` without its newline; false: there was no room and the line is lost.
    virtual bool write(std::string_view line) = 0;
  };

  // `where`: "stdout", "stderr", "off" or a file to append to (made with mode 0640).
  // Fails with one line that says what to do.
  static std::unique_ptr<LineSink> open(const std::string& where, std::string* why_not);
  virtual ~LineSink() = default;  // writes out what is queued, for a second at most

  virtual std::unique_ptr<Producer> make_producer() = 0;
  // Opens the file anew (log rotation). If that fails the old file stays in use and false comes
  // back.
  virtual bool reopen() = 0;
  virtual uint64_t dropped() const = 0;
  virtual uint64_t written() const = 0;
};

}  // namespace penstock::observe
