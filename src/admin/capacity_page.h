// The snapshot as /capacity: what was measured, what there is room for, and what Little's law and
// Erlang C make of it, in JSON. `penstock plan --from` reads it.
#pragma once

#include <string>

#include "admin/controls.h"

namespace penstock::admin {

std::string capacity_page(const Snapshot& snapshot);

}  // namespace penstock::admin
