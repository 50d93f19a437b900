// Reads what was written behind `penstock load`. The error is one sentence: what was found and what
// would be right. Pure.
#pragma once

#include <expected>
#include <string>

#include "cli/commands.h"
#include "load/options.h"
#include "load/origin.h"

namespace penstock::cli {

std::expected<load::Options, std::string> read(const LoadOptions& written);
std::expected<load::OriginOptions, std::string> read(const LoadOriginOptions& written);

}  // namespace penstock::cli
