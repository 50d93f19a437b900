#include <fmt/format.h>

#include <csignal>
#include <cstdio>
#include <utility>

#include "cli/commands.h"
#include "cli/output.h"
#include "cli/trace_options.h"
#include "trace/run.h"

namespace penstock::cli {

int trace(const TraceOptions& written) {
  const auto options = read(written);
  if (!options) {
    fmt::print(stderr, "{}\n", options.error());
    return kUsage;
  }
  File plot;
  if (!open_for_writing("--plot", options->plot, &plot)) return kUsage;
  // Whoever reads the reports may go away first.
  std::signal(SIGPIPE, SIG_IGN);
  bool has_plot = true;
  trace::Outlets outlets{.report =
                             [](const std::string& text) {
                               return std::fwrite(text.data(), 1, text.size(), stdout) ==
                                          text.size() &&
                                      std::fflush(stdout) == 0;
                             },
                         .say = [](const std::string& line) { fmt::print(stderr, "{}\n", line); },
                         .plot = {}};
  if (plot) {
    outlets.plot = [&](const std::string& svg) {
      has_plot = write("--plot", std::move(plot), svg);
    };
  }
  return trace::run(*options, outlets) && has_plot ? kDone : kFailed;
}

}  // namespace penstock::cli
