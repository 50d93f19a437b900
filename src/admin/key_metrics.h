// What /metrics says of keys of tokens that are fetched from URLs.
// Pure.
#pragma once

#include "admin/controls.h"
#include "observe/prometheus.h"

namespace penstock::admin {

void key_metrics(observe::PrometheusText& text, const Snapshot& snapshot);

}  // namespace penstock::admin
