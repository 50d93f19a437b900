// The keys of the section `icap:`.
#pragma once

#include <vector>

#include "config/value_types.h"
#include "icap/service.h"

namespace penstock::config {

struct IcapType {
  static void read(const Node& node, const Path& path, Faults& faults, icap::Services& out);
  static void describe(KeyFacts facts, std::vector<KeyFacts>& out);
};

}  // namespace penstock::config
