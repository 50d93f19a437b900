#include "cli/configuration.h"

#include <fmt/format.h>

#include <cstdio>

namespace penstock::cli {

std::optional<config::Snapshot> load_or_defaults(const std::string& file) {
  if (file.empty()) return config::defaults();
  auto loaded = config::load(file);
  if (loaded) return *std::move(loaded);
  fmt::print(stderr, "{}", config::describe(loaded.error(), file));
  return std::nullopt;
}

}  // namespace penstock::cli
