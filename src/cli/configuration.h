// The configuration that a command was told to use.
#pragma once

#include <optional>
#include <string>

#include "config/config.h"

namespace penstock::cli {

// What `file` says, or the built-in defaults if it is empty. Nothing if it has faults: they have
// been said on stderr.
std::optional<config::Snapshot> load_or_defaults(const std::string& file);

}  // namespace penstock::cli
