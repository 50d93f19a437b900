// What /metrics says of inspected tunnels.
#pragma once

#include "admin/controls.h"
#include "observe/prometheus.h"

namespace penstock::admin {

void inspection_metrics(observe::PrometheusText& text, const Snapshot& snapshot);

}  // namespace penstock::admin
