// Must compile: the same includes and nearly the same words as the files that must not, so that
// those fail for their reason and not for a missing header.
#include <optional>
#include <span>
#include <vector>

#include "dial/reach.h"
#include "policy/rules.h"

using namespace penstock;

Endpoint judged(const policy::Route& route) {
  const policy::Route copy = route;
  return copy.endpoint();
}

loop::Task<Result<dial::Reached>> dial_judged(loop::Loop& loop,
                                              std::span<const policy::Route> routes,
                                              dial::Means means) {
  return dial::reach(loop, routes, means, Duration{}, Instant{});
}
