// The keys of one provider of `identity:`, and which of them go together.
#pragma once

#include "config/value_types.h"
#include "identity/spec.h"

namespace penstock::config {

struct ProviderType {
  static void read(const Node& node, const Path& path, Faults& faults, identity::ProviderSpec& out);
  static void describe(KeyFacts facts, std::vector<KeyFacts>& out);
};

}  // namespace penstock::config
