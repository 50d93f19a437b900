// The resolver for commands that have nothing else to do meanwhile: a loop of its own, and calls
// that return with the answer. The cache lives as long as it does.
// Thread: one.
#pragma once

#include <string>

#include "dns/resolver.h"
#include "loop/loop.h"

namespace penstock::dns {

class BlockingResolver {
 public:
  BlockingResolver(const config::Dns& settings, config::Family family)
      : resolver_(loop_, settings, family) {}

  // As Resolver::resolve(). An address is its own answer.
  Result<Answer> resolve(const std::string& name, Wanted wanted, Duration patience);

 private:
  loop::Loop loop_;
  Resolver resolver_;
};

}  // namespace penstock::dns
