#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/time.h>

#include <csignal>
#include <cstdio>

#include "cli/commands.h"
#include "cli/load_options.h"
#include "cli/output.h"
#include "load/report.h"
#include "load/run.h"
#include "load/stop_on_signal.h"
#include "sys/process.h"

namespace penstock::cli {
namespace {

// Descriptors for what is not a connection: loops, signals, files.
constexpr uint64_t kOtherDescriptors = 64;

// False, and said, where this process may not have as many connections as it was asked for.
bool fits_descriptors(const LoadOptions& written, load::Options* options) {
  const uint64_t limit = sys::raise_descriptor_limit();
  const uint64_t room = limit > kOtherDescriptors ? limit - kOtherDescriptors : 1;
  const bool by_rate = options->rate > 0 && options->mode != load::Mode::kRtt;
  int& asked = by_rate ? options->connections_max : options->connections;
  if (static_cast<uint64_t>(asked) <= room) return true;
  if (by_rate && !written.max_open) {
    asked = static_cast<int>(room);
    return true;
  }
  fmt::print(stderr,
             "{}: {} connections do not fit {} descriptors; raise the limit (ulimit -n) or "
             "give at most {}\n",
             by_rate ? "--max-open" : "--connections", asked, limit, room);
  return false;
}

Duration cpu_used() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto of = [](const timeval& time) {
    return std::chrono::seconds(time.tv_sec) + std::chrono::microseconds(time.tv_usec);
  };
  return of(usage.ru_utime) + of(usage.ru_stime);
}

}  // namespace

int load(const LoadOptions& written) {
  auto options = read(written);
  if (!options) {
    fmt::print(stderr, "{}\n", options.error());
    return kUsage;
  }
  File csv, plot;
  if (!fits_descriptors(written, &*options) || !open_for_writing("--csv", options->csv, &csv) ||
      !open_for_writing("--plot", options->plot, &plot)) {
    return kUsage;
  }
  // A peer that goes away shows as EPIPE where it is written to.
  std::signal(SIGPIPE, SIG_IGN);
  load::StopOnSignal signals;
  const ProgressLine progress;
  load::Results results = load::run(
      *options, signals.token(),
      {.progress =
           [&](const load::Results& so_far) {
             progress.show(load::progress_line(*options, so_far));
           },
       .all_open = [&](int tunnels) { progress.say(fmt::format("{} tunnels open", tunnels)); }});
  progress.erase();
  results.cpu = cpu_used();

  if (signals.signalled()) fmt::print(stderr, "ended early by a signal\n");
  fmt::print("{}", options->json ? load::json(*options, results) + "\n"
                                 : load::summary(*options, results));
  std::fflush(stdout);
  const bool has_csv = write("--csv", std::move(csv), load::csv(*options, results));
  const bool has_plot = write("--plot", std::move(plot), load::plot(*options, results));
  if (results.error_count() > options->errors_max || !has_csv || !has_plot) return kFailed;
  if (results.finished == 0 && !signals.signalled()) {
    fmt::print(stderr, "nothing was finished, so nothing was measured; give it more time\n");
    return kFailed;
  }
  return kDone;
}

int load_origin(const LoadOriginOptions& written) {
  const auto options = read(written);
  if (!options) {
    fmt::print(stderr, "{}\n", options.error());
    return kUsage;
  }
  sys::raise_descriptor_limit();
  std::signal(SIGPIPE, SIG_IGN);
  load::StopOnSignal signals;
  const auto ended =
      load::run_origin(*options, signals.token(), [&](const std::vector<Endpoint>& addresses) {
        for (size_t i = 0; i < addresses.size(); ++i) {
          const std::string& asked = written.listen[i];
          const size_t equals = asked.find('=');
          fmt::print("listening on {} ({})\n", addresses[i].text(),
                     equals == asked.npos ? "any" : asked.substr(equals + 1));
        }
        std::fflush(stdout);
      });
  if (ended) return kDone;
  fmt::print(stderr, "{}\n", ended.error());
  return kFailed;
}

}  // namespace penstock::cli
