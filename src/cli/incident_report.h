// The incident of `penstock plan --incident` with each bulkhead: a table, JSON, a picture. Pure.
#pragma once

#include <string>
#include <vector>

#include "plan/incident.h"

namespace penstock::cli {

std::string incident_table(const plan::Incident& incident,
                           const std::vector<plan::Course>& courses);
std::string incident_json(const plan::Incident& incident, const std::vector<plan::Course>& courses);
// The success of set-ups to origins that stay well, how long they take, and the permits that the
// ill hold, over time (SVG).
std::string incident_plot(const plan::Incident& incident, const std::vector<plan::Course>& courses);

}  // namespace penstock::cli
