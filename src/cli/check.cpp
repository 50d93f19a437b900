#include <fmt/format.h>

#include <cstdio>

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
    fmt::print(stderr, "{}: {} fault{}\n", options.config, config.error().size(),
               config.error().size() == 1 ? "" : "s");
    return kUsage;
  }
  for (const Fault& warning : (*config)->warnings) {
    fmt::print(stderr, "warning: {}", config::describe({warning}, options.config));
  }
  const size_t rules = (*config)->rules->size();
  fmt::print("{}: good; {} rule{}\n", options.config, rules, rules == 1 ? "" : "s");
  return kDone;
}

}  // namespace penstock::cli
