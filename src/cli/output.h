// What a command writes besides its answer: files, and a line that says how far it is.
#pragma once

#include <cstdio>
#include <memory>
#include <string>

namespace penstock::cli {

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

// Opened before the work: ten minutes of it must not end at a directory that is missing. An empty
// path opens nothing and is fine. False, and said on stderr, if it cannot be written.
bool open_for_writing(const char* option, const std::string& path, File* out);

// All of it, and closed. Nothing to do without a file.
bool write(const char* option, File file, const std::string& text);

// The progress line on stderr, which is drawn over again and leaves nothing behind. Shown on a
// terminal only.
class ProgressLine {
 public:
  ProgressLine();
  void show(const std::string& text) const;
  // A line that stays, above the progress line.
  void say(const std::string& line) const;
  void erase() const;

 private:
  const bool shown_;
};

}  // namespace penstock::cli
