// Files of users, groups, keys and certificates: small, regular, read as a whole.
#pragma once

#include <cstddef>
#include <expected>
#include <filesystem>
#include <optional>
#include <string>

#include "base/fault.h"

namespace penstock::identity {

// What a file was when it was looked at; another one means that it has changed.
struct FileState {
  std::filesystem::file_time_type modified{};
  std::uintmax_t size = 0;
  friend bool operator==(const FileState&, const FileState&) = default;
};
FileState state_of(const std::string& path);

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
