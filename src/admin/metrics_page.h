// The snapshot as Prometheus text: every metric's name and help stand in metrics_page.cpp.
#pragma once

#include <string>

#include "admin/controls.h"

namespace penstock::admin {

std::string metrics_page(const Snapshot& snapshot);

}  // namespace penstock::admin
