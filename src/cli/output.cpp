#include "cli/output.h"

#include <fmt/format.h>
#include <unistd.h>

namespace penstock::cli {

bool open_for_writing(const char* option, const std::string& path, File* out) {
  if (path.empty()) return true;
  out->reset(std::fopen(path.c_str(), "we"));
  if (*out) return true;
  fmt::print(stderr, "{}: \"{}\" cannot be written; name a file in a directory that is there\n",
             option, path);
  return false;
}

bool write(const char* option, File file, const std::string& text) {
  if (!file) return true;
  const bool written = std::fwrite(text.data(), 1, text.size(), file.get()) == text.size();
  if (std::fclose(file.release()) == 0 && written) return true;
  fmt::print(stderr, "{}: the file could not be written to its end\n", option);
  return false;
}

ProgressLine::ProgressLine() : shown_(isatty(STDERR_FILENO) == 1) {}

void ProgressLine::show(const std::string& text) const {
  if (shown_) fmt::print(stderr, "\r{}\x1b[K", text);
}

void ProgressLine::say(const std::string& line) const {
  erase();
  fmt::print(stderr, "{}\n", line);
  std::fflush(stderr);
}

void ProgressLine::erase() const {
  if (shown_) fmt::print(stderr, "\r\x1b[K");
}

}  // namespace penstock::cli
