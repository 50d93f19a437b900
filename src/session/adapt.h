// A request inside a tunnel, and the service of ICAP that its rule names for requests.
// Thread: the worker's.
#pragma once

#include <cstdint>
#include <optional>

#include "base/error.h"
#include "http/forward.h"
#include "icap/service.h"
#include "loop/task.h"
#include "session/connection.h"

namespace penstock::session {

// What becomes of a request inside by its rule, and by the service that the rule shows it to, once.
// Nothing: it may go on, as it was or as the service wants it (c.forward->request), with its body
// from c.forward->adaptation where there is one; or the service has answered itself:
// c.forward->own_answer. What the service wants is judged by the rule once more.
loop::Task<std::optional<Error>> judge_inside(Connection& c);

// The service's own answer goes to the client, as forward() carries an origin's.
loop::Task<std::optional<Error>> deliver_own_answer(Connection& c);

// Whom the rule shows answers to; null: nobody.
icap::ServicePtr answer_service(const Connection& c);

}  // namespace penstock::session
