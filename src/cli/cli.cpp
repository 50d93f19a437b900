#include "cli/cli.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "cli/ca_options.h"
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
      "opens tunnels to public destinations on port 443, forwards plain requests to those on\n"
      "port 80, and reaches no internal address.\n"
      "SIGTERM or SIGINT drains, a second one ends at once; SIGHUP reloads the configuration, all\n"
      "of it or nothing; SIGUSR1 opens the access log anew.");
}

// In no list of --help.
void add_keep_key(CLI::App& app, KeepKeyOptions& options) {
  auto* command = app.add_subcommand("keep-key", "Sign for the proxy that has started this");
  command->group("");
  command->add_option("ca", options.ca)->required();
  command->add_option("key", options.key)->required();
  command->add_option("passphrase", options.passphrase_file);
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
  auto* identity =
      command->add_option("--identity", options.identity, "Who the client is")->type_name("NAME");
  command->add_option("--group", options.groups, "A group that he is in; may stand several times")
      ->type_name("NAME")
      ->allow_extra_args(false)
      ->needs(identity);
  command
      ->add_option("--method", options.method,
                   "CONNECT, or that of a request to be forwarded or, with --path, inside")
      ->type_name("METHOD")
      ->capture_default_str();
  auto* path = command
                   ->add_option("--path", options.path,
                                "Of a request inside the tunnel, where it is inspected")
                   ->type_name("/PATH");
  command->add_option("--header", options.headers, "Of that request; may stand several times")
      ->type_name("NAME:VALUE")
      ->allow_extra_args(false)
      ->needs(path);
  command->add_flag("--json", options.json, "Answer in JSON");
  command->add_option("target", options.target, "Destination, as in CONNECT")
      ->type_name("HOST:PORT")
      ->required();
  command->footer(
      "Uses the proxy's own policy and resolver. Exit status: 0 allowed, 1 denied or not "
      "resolved,\n"
      "2 usage or configuration error.");
}

void add_load_pace(CLI::App& command, LoadOptions& options) {
  command.add_option("--rate", options.rate, "Open loop: so many starts a second")
      ->type_name("R[/s]");
  command.add_option("--arrivals", options.arrivals, "Gaps of the open loop: exponential or fixed")
      ->type_name("WORD");
  command.add_option("--max-open", options.max_open, "Open loop: no more tunnels at one time")
      ->type_name("N");
  command.add_option("--connections", options.connections, "Closed loop: so many at a time")
      ->type_name("N");
  command.add_option("--duration", options.duration, "How long to measure (10s)")->type_name("DUR");
  command.add_option("--count", options.count, "How many to finish")->type_name("N");
  command.add_option("--warm-up", options.warm_up, "Before that, and not counted")
      ->type_name("DUR");
  command.add_option("--timeout", options.timeout, "Patience with one tunnel or message (30s)")
      ->type_name("DUR");
}

void add_load_output(CLI::App& command, LoadOptions& options) {
  command.add_option("--max-errors", options.max_errors, "Exit with 1 beyond so many (0)")
      ->type_name("N");
  command.add_flag("--json", options.json, "One JSON object instead of the summary");
  command.add_option("--csv", options.csv, "Write the latency distribution")->type_name("FILE");
  command.add_option("--plot", options.plot, "Write a picture of it (SVG)")->type_name("FILE");
}

void add_load_origin(CLI::App& load, LoadOriginOptions& options) {
  auto* command = load.add_subcommand("origin", "Be the origin that a load run talks to");
  command->add_option("--listen", options.listen, "Where, and as what; may stand several times")
      ->type_name("ADDR:PORT[=BEHAVIOUR]")
      ->allow_extra_args(false);
  command->add_option("--threads", options.threads, "Loops of their own (1)")->type_name("N");
  command->add_flag("--tls", options.tls, "Speak TLS, with a certificate made at the start");
  command->footer(
      "BEHAVIOUR: any (default), echo, source, sink, slow, silent or reset. Port 0 is any port;\n"
      "each listener is said on stdout once it listens. Ends on SIGTERM or SIGINT.");
}

void add_load(CLI::App& app, LoadOptions& options, LoadOriginOptions& origin) {
  auto* command = app.add_subcommand("load", "Load a proxy and measure it");
  command->add_option("--proxy", options.proxy, "The proxy to measure")
      ->type_name("http://ADDR:PORT");
  command->add_flag("--relay", options.relay, "--proxy relays plain TCP: send no CONNECT");
  command->add_flag("--direct", options.direct, "No proxy: what the same work costs without");
  command->add_option("--target", options.target, "The origin to ask for")->type_name("HOST:PORT");
  command->add_option("--mode", options.mode, "setup (default), rtt, bulk, idle or mix")
      ->type_name("WORD");
  add_load_pace(*command, options);
  command
      ->add_option("--bytes", options.bytes, "bulk: of a stream (64MiB); rtt: of a message (64B)")
      ->type_name("SIZE");
  command->add_option("--direction", options.direction, "bulk: up, down or both (default)")
      ->type_name("WORD");
  command->add_flag("--tls", options.tls, "TLS within each tunnel; nothing is verified");
  command->add_option("--threads", options.threads, "Loops that share the work (1)")
      ->type_name("N");
  command->add_option("--seed", options.seed, "Of gaps and blends (1)")->type_name("N");
  command->add_option("--sources", options.sources, "Local addresses: a count in 127/8, or a list")
      ->type_name("N|ADDR,...");
  add_load_output(*command, options);
  add_load_origin(*command, origin);
  command->footer(
      "The target is a `penstock load origin`. Without --rate it is a closed loop. SIGINT or\n"
      "SIGTERM ends a run early with what was measured. Exit status: 0 done, 1 more errors than\n"
      "--max-errors or nothing finished, 2 usage error.");
}

void add_plan_load(CLI::App& command, PlanOptions& options) {
  command.add_option("--rate", options.rate, "Set-ups per second")->type_name("R[/s]");
  command.add_option("--setup-time", options.setup_time, "Of one, resolve and dial")
      ->type_name("DUR");
  command.add_option("--lifetime", options.lifetime, "Of an established tunnel")->type_name("DUR");
  command
      .add_option("--cpu-per-connect", options.cpu_per_connect, "Of a worker, per set-up (80us)")
      ->type_name("DUR");
  command.add_option("--bandwidth", options.bandwidth, "Carried, both directions together (0)")
      ->type_name("4Gbit/s");
  command.add_option("--cpu-per-gib", options.cpu_per_gib, "Of a worker, per GiB carried (215ms)")
      ->type_name("DUR");
  command.add_option("--destinations", options.destinations, "That share the load evenly (1)")
      ->type_name("N");
  command.add_option("--cv", options.cv, "Coefficient of variation of the CPU time (1)")
      ->type_name("X");
  command.add_option("--arrival-cv", options.arrival_cv, "And of the gaps between set-ups (1)")
      ->type_name("X");
}

void add_plan_room(CLI::App& command, PlanOptions& options) {
  command.add_option("--percentile", options.percentile, "Of waits for a worker (99)")
      ->type_name("P");
  command.add_option("--max-wait", options.max_wait, "That it may be at most (1ms)")
      ->type_name("DUR");
  command
      .add_option("--blocking", options.blocking,
                  "Share that may find no permit, seat or port (0.01%)")
      ->type_name("SHARE");
  command.add_option("--workers", options.workers, "Of one instance (as many as it takes)")
      ->type_name("N");
  command.add_option("--nofile", options.nofile, "Descriptors of one instance (likewise)")
      ->type_name("N");
  command
      .add_option("--pending", options.pending, "Permits of one instance (a quarter of its seats)")
      ->type_name("N");
  command
      .add_option("--source-addresses", options.source_addresses,
                  "Of one instance (as many as it takes)")
      ->type_name("N");
  command.add_option("--memory", options.memory, "Of one instance (no limit)")->type_name("SIZE");
}

void add_plan(CLI::App& app, PlanOptions& options) {
  auto* command = app.add_subcommand("plan", "Say what a load needs, and what runs out first");
  command
      ->add_option("--from", options.from, "Ask a running proxy's admin listener what it measured")
      ->type_name("http://ADDR:PORT");
  add_plan_load(*command, options);
  add_plan_room(*command, options);
  auto* simulate =
      command->add_flag("--simulate", options.simulate, "Play the plan through beside the model");
  command
      ->add_option("--service-times", options.service_times,
                   "Simulate with CPU times of a file, one a line")
      ->type_name("FILE");
  command->add_option("--gaps", options.gaps, "And with gaps between set-ups, in order")
      ->type_name("FILE");
  command->add_option("--set-ups", options.set_ups, "How many to simulate (1000000)")
      ->type_name("N");
  command->add_option("--seed", options.seed, "Of the simulation (1)")->type_name("N");
  command
      ->add_flag("--incident", options.incident,
                 "Play slow origins through the admission code, with and without bulkheads")
      ->excludes(simulate);
  command->add_option("--ill", options.ill, "Origins that turn slow in it (1)")->type_name("N");
  command->add_option("--ill-time", options.ill_time, "What a set-up takes them then (5s)")
      ->type_name("DUR");
  command->add_flag("--json", options.json, "One JSON object instead of the table");
  command->add_option("--plot", options.plot, "Write a picture of it (SVG)")->type_name("FILE");
  command->footer(
      "Without --from or --incident, --rate, --setup-time and --lifetime have to be given. Exit "
      "status: 0 done,\n"
      "1 what is given cannot carry the load or the proxy does not answer, 2 usage error.");
}

void add_probe_model(CLI::App& command, ProbeOptions& options) {
  command.add_flag("--model", options.model, "Predict from round trips, without a network");
  command.add_option("--rtt-client-proxy", options.rtt_client_proxy, "Round trip to the proxy")
      ->type_name("DUR");
  command.add_option("--rtt-proxy-origin", options.rtt_proxy_origin, "And from it to the origin")
      ->type_name("DUR");
  command
      .add_option("--rtt-client-origin", options.rtt_client_origin,
                  "Without a proxy (the sum of the two)")
      ->type_name("DUR");
  command.add_option("--resolve", options.resolve, "Look-up of the origin's name")
      ->type_name("DUR");
  command.add_option("--tls", options.tls, "1.3 (default), 1.2, resumed or 0rtt")
      ->type_name("WORD");
  command.add_flag("--https-proxy", options.https_proxy, "Draw the way by TLS to the proxy");
  command.add_flag("--spares", options.spares, "The proxy has connections to the origin ready");
}

void add_probe(CLI::App& app, ProbeOptions& options) {
  auto* command = app.add_subcommand("probe", "Time each step of one request, and explain it");
  command->add_option("url", options.url, "What to ask for")->type_name("https://HOST[:PORT]/PATH");
  command->add_option("--proxy", options.proxy, "Through this proxy (HTTPS_PROXY)")
      ->type_name("http[s]://HOST:PORT");
  command->add_flag("--direct", options.direct, "Without a proxy, whatever HTTPS_PROXY says");
  command->add_option("-n,--runs", options.runs, "So many times, one after the other (1)")
      ->type_name("N");
  command->add_option("--compare", options.compare, "With the way without a proxy, or the model")
      ->type_name("direct|model");
  command->add_option("--timeout", options.timeout, "Patience with each phase (10s)")
      ->type_name("DUR");
  command->add_option("--ca", options.ca, "Authorities to trust besides the system's (PEM)")
      ->type_name("FILE");
  command->add_flag("--insecure", options.insecure, "Go on in spite of a bad certificate");
  command->add_flag("--json", options.json, "One JSON object instead of the report");
  command->add_option("--csv", options.csv, "Write a row for each phase of each run")
      ->type_name("FILE");
  command->add_option("--svg", options.svg, "Write a picture of the waterfall")->type_name("FILE");
  add_probe_model(*command, options);
  command->footer(
      "The proxy is that of --proxy, else of HTTPS_PROXY or https_proxy unless NO_PROXY exempts\n"
      "the host. Exit status: 0 all went well, 1 a request failed (what there is of its timeline\n"
      "is shown), 2 usage error.");
}

void add_trace(CLI::App& app, TraceOptions& options) {
  auto* command = app.add_subcommand("trace", "Measure any program's connections in the kernel");
  command->add_option("--pid", options.pid, "Of this process and its children")->type_name("PID");
  command->add_option("--comm", options.comm, "Of processes of this name and their children")
      ->type_name("NAME");
  command->add_option("--cgroup", options.cgroup, "Of a cgroup (version 2)")->type_name("DIR");
  command->add_flag("--self", options.self, "Of the cgroup that this command runs in");
  command->add_option("--interface", options.interface, "Of the packets of an interface")
      ->type_name("NAME");
  command
      ->add_option("--backend", options.backend,
                   "auto (default), fentry, kprobe, sock_ops, packets or sock_diag")
      ->type_name("WORD");
  command->add_option("--by", options.by, "destination, or none (default)")->type_name("WORD");
  command->add_option("--interval", options.interval, "Between two reports (1s)")->type_name("DUR");
  command->add_option("--duration", options.duration, "Until it ends by itself")->type_name("DUR");
  command->add_flag("--json", options.json, "One JSON object per report, a line each");
  command->add_option("--prometheus", options.prometheus, "Serve metrics here meanwhile")
      ->type_name("ADDR:PORT");
  command->add_option("--plot", options.plot, "Write a picture at the end (SVG)")
      ->type_name("FILE");
  command->footer(
      "Without --pid, --comm, --cgroup, --self or --interface: every connection of this machine.\n"
      "BPF takes CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON, or root; without them sock_diag says "
      "what\n"
      "it knows. Ends on SIGINT or SIGTERM, with a total. Exit status: 0 done, 1 nothing could be\n"
      "traced, 2 usage error.");
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
  PlanOptions plan_options;
  ProbeOptions probe_options;
  LoadOptions load_options;
  LoadOriginOptions origin_options;
  add_run(app, run_options);
  add_check(app, check_options);
  add_explain(app, explain_options);
  add_plan(app, plan_options);
  add_probe(app, probe_options);
  add_load(app, load_options, origin_options);
  TraceOptions trace_options;
  add_trace(app, trace_options);
  KeepKeyOptions keep_key_options;
  add_keep_key(app, keep_key_options);
  CaOptions ca_options;
  add_ca(app, ca_options);
  app.add_subcommand("version", "Print the version");
  if (argc > 1 && argv[1][0] != '-' && !knows(app, argv[1])) {
    fmt::print(stderr,
               "no command \"{}\"; there are run, check, explain, plan, probe, load, trace, ca and "
               "version "
               "(--help says more)\n",
               argv[1]);
    return kUsage;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kDone : kUsage;
  }
  if (app.got_subcommand("run")) return run_proxy(run_options);
  if (app.got_subcommand("keep-key")) return keep_key(keep_key_options);
  if (app.got_subcommand("check")) return check(check_options);
  if (app.got_subcommand("explain")) return explain(explain_options);
  if (app.got_subcommand("plan")) return plan(plan_options);
  if (app.got_subcommand("probe")) return probe(probe_options);
  if (const CLI::App* command = app.get_subcommand("load"); command->parsed()) {
    return command->got_subcommand("origin") ? load_origin(origin_options) : load(load_options);
  }
  if (app.got_subcommand("trace")) return trace(trace_options);
  if (const CLI::App* command = app.get_subcommand("ca"); command->parsed()) {
    return run_ca(*command, ca_options);
  }
  std::puts("penstock " PENSTOCK_VERSION);
  return kDone;
}

}  // namespace penstock::cli
