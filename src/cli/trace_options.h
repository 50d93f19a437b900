// Reads what was written behind `penstock trace`. The error is one sentence: what was found and
// what would be right. Pure.
#pragma once

#include <expected>
#include <string>

#include "cli/commands.h"
#include "trace/options.h"

namespace penstock::cli {

std::expected<trace::Options, std::string> read(const TraceOptions& written);

}  // namespace penstock::cli
