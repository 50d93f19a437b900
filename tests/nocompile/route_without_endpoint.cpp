// Must not compile: no empty Route that somebody fills in later.
#include "policy/decision.h"

using namespace penstock;

policy::Route blank() {
  return policy::Route();
}
