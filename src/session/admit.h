// Is there room? (step 4): a permit for one pending set-up.
// Thread: the worker's.
#pragma once

#include <optional>

#include "admission/door.h"
#include "base/error.h"
#include "loop/task.h"
#include "session/connection.h"

namespace penstock::session {

// Waits for `permit` no longer than `timeouts.queue`. An error: it is not held, and why.
loop::Task<std::optional<Error>> get_permit(Connection& c, admission::Permit& permit);

// What the set-up says of its destination goes with the permit.
void give_permit_back(Connection& c, admission::Permit& permit,
                      const std::optional<Error>& failure);

}  // namespace penstock::session
