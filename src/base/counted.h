// A number and what it counts, as a person would say it: "1 rule", "2 rules".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace penstock {

// `thing` in the singular; its plural takes an s.
inline std::string counted(uint64_t count, std::string_view thing) {
  std::string out = std::to_string(count) + " ";
  out += thing;
  if (count != 1) out += 's';
  return out;
}

}  // namespace penstock
