// One function per command; each lives in the file of its name. They return exit statuses.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace penstock::cli {

// An option as it was written; empty: not given.
using Word = std::optional<std::string>;

struct RunOptions {
  std::string config;  // empty: built-in defaults
  std::string listen;  // empty: as configured
  std::string admin;   // likewise; "off": no admin listener
};
int run_proxy(const RunOptions& options);

// What the proxy starts by itself; of no use to anybody else.
struct KeepKeyOptions {
  std::string ca, key;
  std::string passphrase_file;  // empty: the key has none
};
int keep_key(const KeepKeyOptions& options);

struct CheckOptions {
  std::string config;
  bool schema = false;
};
int check(const CheckOptions& options);

struct ExplainOptions {
  std::string config;  // empty: built-in defaults
  std::string client = "127.0.0.1";
  std::string identity;  // empty: who he is by his address
  std::vector<std::string> groups;
  std::string method = "CONNECT";
  // Of a request inside the tunnel, which then has that method (or GET).
  Word path;
  std::vector<std::string> headers;  // "Name: value"
  std::string target;
  bool json = false;
};
int explain(const ExplainOptions& options);

// cli/load_options.h reads them.
struct LoadOptions {
  Word proxy, target, mode;
  bool relay = false;
  bool direct = false;
  Word rate, arrivals, connections, max_open;
  Word duration, count, warm_up, timeout;
  Word bytes, direction;
  Word threads, seed, sources;
  Word max_errors, csv, plot;
  bool tls = false;
  bool json = false;
};
int load(const LoadOptions& written);

struct LoadOriginOptions {
  std::vector<std::string> listen;  // ADDR:PORT or ADDR:PORT=BEHAVIOUR
  Word threads;
  bool tls = false;
};
int load_origin(const LoadOriginOptions& written);

// cli/plan_options.h reads them.
struct PlanOptions {
  Word from;
  Word rate, setup_time, lifetime, cpu_per_connect, bandwidth, cpu_per_gib, destinations;
  Word cv, arrival_cv;
  Word percentile, max_wait, blocking;
  Word workers, nofile, pending, source_addresses, memory;
  bool simulate = false;
  Word service_times, gaps, set_ups, seed;
  bool incident = false;
  Word ill, ill_time;
  Word plot;
  bool json = false;
};
int plan(const PlanOptions& written);

// cli/probe_options.h reads them.
struct ProbeOptions {
  Word url, proxy;
  bool direct = false;
  Word runs, compare, timeout;
  Word ca;
  bool insecure = false;
  Word csv, svg;
  bool json = false;
  bool model = false;
  Word rtt_client_proxy, rtt_proxy_origin, rtt_client_origin, resolve, tls;
  bool https_proxy = false;
  bool spares = false;
};
int probe(const ProbeOptions& written);

// cli/trace_options.h reads them.
struct TraceOptions {
  Word pid, comm, cgroup, interface;
  bool self = false;
  Word interval, duration, by, backend;
  bool json = false;
  Word prometheus, plot;
};
int trace(const TraceOptions& written);

// cli/ca_options.h reads them.
struct CaMakeOptions {
  std::string ca, key;
  Word name, days;
  std::vector<std::string> permit, permit_address;
  std::string passphrase_file;  // empty: the key has none
};
int ca_init(const CaMakeOptions& written);
int ca_rotate(const CaMakeOptions& written);

struct CaShowOptions {
  std::string ca;
  std::string key;  // empty: not looked at
  std::string passphrase_file;
  bool json = false;
};
int ca_show(const CaShowOptions& options);

struct CaExportOptions {
  std::string ca;
  Word format;
  std::string out;  // empty: stdout
};
int ca_export(const CaExportOptions& written);

// Exit statuses.
inline constexpr int kDone = 0;
inline constexpr int kFailed = 1;  // the thing asked for failed
inline constexpr int kUsage = 2;   // usage or configuration error

}  // namespace penstock::cli
