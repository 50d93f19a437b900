#include <fmt/format.h>

#include <cstdio>

#include "base/counted.h"
#include "cli/commands.h"
#include "config/config.h"
#include "server/tls_files.h"

namespace penstock::cli {

namespace {

int refuse(const Faults& faults, const std::string& file) {
  fmt::print(stderr, "{}", config::describe(faults, file));
  fmt::print(stderr, "{}: {}\n", file, counted(faults.size(), "fault"));
  return kUsage;
}

}  // namespace

int check(const CheckOptions& options) {
  if (options.schema) {
    fmt::print("{}\n", config::schema());
    return kDone;
  }
  const auto config = config::load(options.config);
  if (!config) return refuse(config.error(), options.config);
  Faults warnings = (*config)->warnings;
  const auto opened = server::open_tls_files(**config, {}, &warnings);
  if (!opened) return refuse(opened.error(), options.config);
  for (const Fault& warning : warnings) {
    fmt::print(stderr, "warning: {}", config::describe({warning}, options.config));
  }
  fmt::print("{}: good; {}\n", options.config, counted((*config)->rules->size(), "rule"));
  return kDone;
}

}  // namespace penstock::cli
