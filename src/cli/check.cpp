#include <fmt/format.h>

#include <cstdio>

#include "base/counted.h"
#include "cli/commands.h"
#include "bump/inspector.h"
#include "config/config.h"
#include "tls/client_context.h"
#include "tls/server_context.h"

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
  const auto tls =
      tls::open_server_contexts(**config, std::make_shared<tls::TicketKeys>(), &warnings);
  const auto parents = tls::open_client_context(**config, &warnings);
  const auto inspector =
      bump::open_inspector(**config, std::make_shared<bump::Pinned>(), &warnings);
  Faults faults;
  const auto collect = [&faults](const auto& opened) {
    if (!opened) faults.insert(faults.end(), opened.error().begin(), opened.error().end());
  };
  collect(tls);
  collect(parents);
  collect(inspector);
  if (!faults.empty()) return refuse(faults, options.config);
  for (const Fault& warning : warnings) {
    fmt::print(stderr, "warning: {}", config::describe({warning}, options.config));
  }
  fmt::print("{}: good; {}\n", options.config, counted((*config)->rules->size(), "rule"));
  return kDone;
}

}  // namespace penstock::cli
