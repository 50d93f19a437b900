#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "base/ascii.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/probe_options.h"
#include "probe/measure.h"
#include "probe/report.h"

namespace penstock::cli {
namespace {

std::string_view variable(const char* name) {
  const char* const value = std::getenv(name);
  return value ? value : "";
}

// The first that is set decides, as for setlocale().
bool speaks_utf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    if (const std::string locale = lower(variable(name)); !locale.empty()) {
      return locale.contains("utf-8") || locale.contains("utf8");
    }
  }
  return false;
}

probe::Style style_of_stdout() {
  probe::Style out{.colour = false, .blocks = speaks_utf8(), .columns = 100};
  if (isatty(STDOUT_FILENO) != 1) return out;
  out.colour = variable("NO_COLOR").empty() && variable("TERM") != "dumb";
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) out.columns = size.ws_col;
  return out;
}

// The two ways take turns, so that whatever happens meanwhile happens to both.
probe::Found find_out(probe::Options options, SSL_CTX* context) {
  probe::Found out{.options = std::move(options), .runs = {}, .direct = {}};
  const ProgressLine progress;
  for (int i = 0; i < out.options.runs; ++i) {
    if (out.options.runs > 1) {
      progress.show(fmt::format("run {} of {}", i + 1, out.options.runs));
    }
    out.runs.push_back(probe::measure(out.options, out.options.proxy, context));
    if (out.options.compare == probe::Compare::kDirect) {
      out.direct.push_back(probe::measure(out.options, std::nullopt, context));
    }
  }
  progress.erase();
  return out;
}

}  // namespace

int probe(const ProbeOptions& written) {
  auto options = read(written, probe::read_environment());
  if (!options) {
    fmt::print(stderr, "{}\n", options.error());
    return kUsage;
  }
  File csv, svg;
  if (!open_for_writing("--csv", options->csv, &csv) ||
      !open_for_writing("--svg", options->svg, &svg)) {
    return kUsage;
  }
  const auto context = probe::client_context(options->ca);
  if (!context) {
    fmt::print(stderr, "--ca: \"{}\" holds no certificate; name a file in PEM form\n", options->ca);
    return kUsage;
  }
  probe::Found found{.options = std::move(*options), .runs = {}, .direct = {}};
  if (!found.options.model) found = find_out(std::move(found.options), context->get());
  fmt::print(
      "{}", found.options.json ? probe::json(found) + "\n" : probe::text(found, style_of_stdout()));
  std::fflush(stdout);
  const bool has_csv = write("--csv", std::move(csv), probe::csv(found));
  const bool has_svg = write("--svg", std::move(svg), probe::svg(found));
  return found.good() && has_csv && has_svg ? kDone : kFailed;
}

}  // namespace penstock::cli
