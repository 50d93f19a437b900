// From rules as written to rules with every word parsed, or all that is wrong with them.
#pragma once

#include <expected>
#include <vector>

#include "base/fault.h"
#include "policy/rule_index.h"
#include "policy/rules.h"

namespace penstock::policy {

std::expected<std::vector<ParsedRule>, Faults> parse_rules(const Spec& spec);

}  // namespace penstock::policy
