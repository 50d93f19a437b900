#include "bpf/capabilities.h"

#include <linux/capability.h>

#include <array>
#include <charconv>
#include <fstream>
#include <utility>
#include <vector>

namespace penstock::bpf {

uint64_t effective_capabilities() {
  constexpr std::string_view kField = "CapEff:\t";
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (!line.starts_with(kField)) continue;
    uint64_t out = 0;
    std::from_chars(line.data() + kField.size(), line.data() + line.size(), out, 16);
    return out;
  }
  return 0;
}

std::string lacking_capabilities(uint64_t effective) {
  const auto has = [&](int capability) { return (effective >> capability & 1) != 0; };
  const bool admin = has(CAP_SYS_ADMIN);
  std::vector<std::string> lacking;
  if (!admin && !has(CAP_BPF)) lacking.emplace_back("CAP_BPF");
  if (!has(CAP_NET_ADMIN)) lacking.emplace_back("CAP_NET_ADMIN");
  if (!admin && !has(CAP_PERFMON)) lacking.emplace_back("CAP_PERFMON");
  std::string out;
  for (size_t i = 0; i < lacking.size(); ++i) {
    if (i > 0) out += i + 1 == lacking.size() ? " and " : ", ";
    out += lacking[i];
  }
  return out;
}

}  // namespace penstock::bpf
