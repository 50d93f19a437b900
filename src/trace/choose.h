// Which source it will be: the one that was asked for, or the first that the kernel permits.
#pragma once

#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "trace/options.h"

namespace penstock::trace {

std::string_view word(Backend backend);  // "sock_ops", as on the command line

struct Choice {
  std::unique_ptr<bpf::Source> source;
  std::vector<std::string> refusals;  // why those before it could not be had; a line each
};
// A sentence: why there is none.
std::expected<Choice, std::string> choose(const Options& options);

}  // namespace penstock::trace
