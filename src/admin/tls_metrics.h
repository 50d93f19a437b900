// What /metrics says of TLS: with clients, and with parents.
// Pure.
#pragma once

#include "admin/controls.h"
#include "observe/prometheus.h"

namespace penstock::admin {

void tls_metrics(observe::PrometheusText& text, const Snapshot& snapshot);

}  // namespace penstock::admin
