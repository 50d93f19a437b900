// Must not compile: an address becomes a Route by being judged, and in no other way.
#include "base/ip.h"
#include "policy/decision.h"

using namespace penstock;

policy::Route unjudged(const Endpoint& endpoint) {
  return policy::Route(endpoint);
}
