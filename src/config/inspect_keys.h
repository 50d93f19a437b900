// The keys of inspection: those of a rule's `inspect:` and those of the section `inspection:`.
#pragma once

#include <memory>
#include <optional>

#include "config/value_types.h"
#include "policy/inspection_spec.h"

namespace penstock::config {

struct InspectType {
  static void read(const Node& node, const Path& path, Faults& faults,
                   std::shared_ptr<const policy::InspectionSpec>& out);
  static void describe(KeyFacts facts, std::vector<KeyFacts>& out);
};

struct InspectionType {
  static void read(const Node& node, const Path& path, Faults& faults,
                   std::optional<Inspection>& out);
  static void describe(KeyFacts facts, std::vector<KeyFacts>& out);
};

// A certificate needs its key, and a key its certificate. `node` may be anything.
void check_pair(const Node& node, const Path& path, Faults& faults);

}  // namespace penstock::config
