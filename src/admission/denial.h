// Why admission said no, and when to ask again.
#pragma once

#include <optional>

#include "base/error.h"
#include "base/time.h"

namespace penstock::admission {

struct Denial {
  Error error;
  Duration retry_after{};     // from a measured rate or a known instant; zero: nothing is known
  std::optional<Code> cause;  // what the destination failed with, where a breaker is open
};

}  // namespace penstock::admission
