#include "session/entrance.h"
#include "session/hear.h"

namespace penstock::session {

loop::Task<Result<const Entrance*>> way_in(Connection& c) {
  if (const auto failed = co_await hear_more(c, head_deadline(c))) {
    co_return std::unexpected(*failed);
  }
  co_return &http1();
}

}  // namespace penstock::session
