// Must not compile: a judged Route cannot be pointed at another address.
#include "base/ip.h"
#include "policy/decision.h"

using namespace penstock;

void redirect(policy::Route& route, const Endpoint& elsewhere) {
  route.endpoint() = elsewhere;
}
