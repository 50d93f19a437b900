// Files of users, groups, keys and certificates: small, regular, read as a whole.
#pragma once

#include <cstddef>
#include <expected>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/fault.h"

namespace penstock::identity {

// Files that are followed: what they were when they were looked at. Make it before they are read,
// so that what is written in between is found at the next look. An empty path is no file.
// Thread: one at a time.
class WatchedFiles {
 public:
  explicit WatchedFiles(std::vector<std::string> paths) : paths_(std::move(paths)), seen_(look()) {}
  // Since the last look.
  bool have_changed();

 private:
  struct State {
    std::filesystem::file_time_type modified{};
    std::uintmax_t size = 0;
    friend bool operator==(const State&, const State&) = default;
  };
  std::vector<State> look() const;

  std::vector<std::string> paths_;
  std::vector<State> seen_;
};

// The contents; or why not, in words that go behind the path.
std::expected<std::string, std::string> read_file(const std::string& path, size_t bytes_max);

// The same, or empty and a fault at the place in the configuration that names it.
std::string text_of(const Located<std::string>& file, size_t bytes_max, Faults& faults);
// Faults that were found in it, told there.
void tell(const Faults& found, const Located<std::string>& file, Faults& faults);

// What is wrong with a file of certificates to trust (PEM), its path in front; an empty path is the
// system's, and right.
std::optional<std::string> fault_of_roots(const std::string& path);

}  // namespace penstock::identity
