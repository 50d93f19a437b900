#include "cli/cli.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "cli/commands.h"

namespace penstock::cli {
namespace {

void add_run(CLI::App& app, RunOptions& options) {
  auto* command = app.add_subcommand("run", "Run the proxy");
  command->add_option("--config", options.config, "Configuration file (YAML)")->type_name("FILE");
  command
      ->add_option("--listen", options.listen,
                   "Listen here instead of where the configuration says")
      ->type_name("ADDR:PORT");
  command
      ->add_option("--admin", options.admin,
                   "Serve metrics here, or `off`, instead of as configured")
      ->type_name("ADDR:PORT|off");
  command->footer(
      "Without a configuration it listens on 127.0.0.1:3128, serves metrics on 127.0.0.1:3129,\n"
      "opens tunnels to public destinations on port 443 and to no internal address.\n"
      "SIGTERM or SIGINT drains, a second one ends at once; SIGHUP reloads the configuration, all\n"
      "of it or nothing; SIGUSR1 opens the access log anew.");
}

void add_check(CLI::App& app, CheckOptions& options) {
  auto* command = app.add_subcommand("check", "Report every fault of a configuration");
  auto* config = command->add_option("--config", options.config, "Configuration file (YAML)")
                     ->type_name("FILE");
  auto* schema = command->add_flag("--schema", options.schema,
                                   "Print the JSON Schema of the configuration instead");
  config->excludes(schema);
  command->callback([config, schema] {
    if (config->empty() && schema->empty()) throw CLI::RequiredError("--config FILE or --schema");
  });
}

void add_explain(CLI::App& app, ExplainOptions& options) {
  auto* command =
      app.add_subcommand("explain", "Say what the proxy would do with a destination, and why");
  command->add_option("--config", options.config, "Configuration file (YAML)")->type_name("FILE");
  command->add_option("--client", options.client, "Address of the client that asks")
      ->type_name("IP")
      ->capture_default_str();
  command->add_option("--identity", options.identity, "Who the client is")->type_name("NAME");
  command->add_flag("--json", options.json, "Answer in JSON");
  command->add_option("target", options.target, "Destination, as in CONNECT")
      ->type_name("HOST:PORT")
      ->required();
  command->footer(
      "Uses the proxy's own policy and resolver. Exit status: 0 allowed, 1 denied or not "
      "resolved,\n"
      "2 usage or configuration error.");
}

bool knows(const CLI::App& app, const char* command) {
  for (const CLI::App* known : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (known->get_name() == command) return true;
  }
  return false;
}

}  // namespace

int run(int argc, char** argv) {
  CLI::App app("penstock: an HTTP CONNECT proxy that decides who may open a tunnel to where");
  app.require_subcommand(1);
  app.set_version_flag("--version", "penstock " PENSTOCK_VERSION);
  app.get_formatter()->column_width(28);
  RunOptions run_options;
  CheckOptions check_options;
  ExplainOptions explain_options;
  add_run(app, run_options);
  add_check(app, check_options);
  add_explain(app, explain_options);
  app.add_subcommand("version", "Print the version");
  if (argc > 1 && argv[1][0] != '-' && !knows(app, argv[1])) {
    fmt::print(stderr,
               "no command \"{}\"; there are run, check, explain and version (--help says more)\n",
               argv[1]);
    return kUsage;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kDone : kUsage;
  }
  if (app.got_subcommand("run")) return run_proxy(run_options);
  if (app.got_subcommand("check")) return check(check_options);
  if (app.got_subcommand("explain")) return explain(explain_options);
  std::puts("penstock " PENSTOCK_VERSION);
  return kDone;
}

}  // namespace penstock::cli
