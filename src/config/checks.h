// What must hold between values that are each right by themselves, and what is right but probably
// not meant.
#pragma once

#include "base/fault.h"
#include "config/config.h"
#include "config/document.h"

namespace penstock::config {

// `root` is what `config` was read from; it says where things stand.
void check_together(const Node& root, const Config& config, Faults& faults);

// Adds to config.warnings.
void warn(const Node& root, Config& config);

}  // namespace penstock::config
