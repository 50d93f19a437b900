// Every key of the configuration, its type and where its value goes: the one list from which the
// decoder works and against which the schema is tested.
#pragma once

#include <vector>

#include "base/fault.h"
#include "config/config.h"
#include "config/document.h"
#include "config/reader.h"

namespace penstock::config {

// Reads `root` into `config`; what is faulty keeps its default and adds to `faults`. Of a faulty
// rule the rest is kept, so that one report has its other faults as well.
void decode(const Node& root, Config& config, Faults& faults);

// Every key there is, in the order of the tables; lists and mappings by what they hold.
std::vector<KeyFacts> all_keys();

}  // namespace penstock::config
