#include <fmt/format.h>

#include <cstdio>

#include "base/counted.h"
#include "cli/commands.h"
#include "config/config.h"

namespace penstock::cli {

int check(const CheckOptions& options) {
  if (options.schema) {
    fmt::print("{}\n", config::schema());
    return kDone;
  }
  const auto config = config::load(options.config);
  if (!config) {
    fmt::print(stderr, "{}", config::describe(config.error(), options.config));
    fmt::print(stderr, "{}: {}\n", options.config, counted(config.error().size(), "fault"));
    return kUsage;
  }
  for (const Fault& warning : (*config)->warnings) {
    fmt::print(stderr, "warning: {}", config::describe({warning}, options.config));
  }
  fmt::print("{}: good; {}\n", options.config, counted((*config)->rules->size(), "rule"));
  return kDone;
}

}  // namespace penstock::cli
