#include <fmt/format.h>

#include <csignal>
#include <cstdio>

#include "cli/commands.h"
#include "cli/configuration.h"
#include "server/server.h"

namespace penstock::cli {
namespace {

// Nothing where `text` is empty; false, and said, where it is no address.
bool read_address(std::string_view option, const std::string& text, std::optional<Endpoint>* out) {
  if (text.empty()) return true;
  *out = Endpoint::parse(text);
  if (*out) return true;
  fmt::print(stderr, "{}: \"{}\" is no address with a port; write 127.0.0.1:3128 or [::1]:3128\n",
             option, text);
  return false;
}

}  // namespace

int run_proxy(const RunOptions& options) {
  // A log reader or client that goes away shows as EPIPE where it is written to.
  std::signal(SIGPIPE, SIG_IGN);
  const auto config = load_or_defaults(options.config);
  if (!config) return kUsage;
  server::Invocation invocation{
      .config_file = options.config, .listen = {}, .admin = {}, .no_admin = options.admin == "off"};
  if (!read_address("--listen", options.listen, &invocation.listen)) return kUsage;
  if (!invocation.no_admin && !read_address("--admin", options.admin, &invocation.admin))
    return kUsage;
  server::Server server(*config, invocation);
  return server.run();
}

}  // namespace penstock::cli
