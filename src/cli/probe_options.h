// Reads what was written behind `penstock probe`. The error is one sentence: what was found, and
// what would be right.
// Pure: what the environment says about proxies is given.
#pragma once

#include <expected>
#include <string>

#include "cli/commands.h"
#include "probe/options.h"

namespace penstock::cli {

std::expected<probe::Options, std::string> read(const ProbeOptions& written,
                                                const probe::Environment& environment);

}  // namespace penstock::cli
