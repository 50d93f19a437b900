#include <fmt/format.h>

#include <csignal>
#include <cstdio>

#include "cli/commands.h"
#include "config/config.h"
#include "server/server.h"

namespace penstock::cli {

int run_proxy(const RunOptions& options) {
  // A log reader or client that goes away shows as EPIPE where it is written to.
  std::signal(SIGPIPE, SIG_IGN);
  config::Snapshot config = config::defaults();
  if (!options.config.empty()) {
    auto loaded = config::load(options.config);
    if (!loaded) {
      fmt::print(stderr, "{}", config::describe(loaded.error(), options.config));
      return kUsage;
    }
    config = *loaded;
  }
  std::optional<Endpoint> listen;
  if (!options.listen.empty()) {
    listen = Endpoint::parse(options.listen);
    if (!listen) {
      fmt::print(stderr, "--listen: \"{}\" is no address with a port; write 127.0.0.1:3128 or [::1]:3128\n",
                 options.listen);
      return kUsage;
    }
  }
  server::Server server(config, {options.config, listen});
  return server.run();
}

}  // namespace penstock::cli
