// A fault, said to the person who waits for the page: in which phase, what happened, what to do.
// Pure.
#pragma once

#include <string>

#include "base/error.h"
#include "probe/link.h"
#include "probe/timeline.h"

namespace penstock::probe {

// Whom the phases are about.
struct Ends {
  std::string proxy;   // "127.0.0.1:3128"
  std::string origin;  // "example.com:443"
  Duration patience{};
  bool proxied = false;
};

Failure failure_of(Phase phase, const LinkFault& fault, const Ends& ends);
// Of a name that could not be looked up.
Failure failure_of(Phase phase, const Error& error, const std::string& name, const Ends& ends);

}  // namespace penstock::probe
