// Which of the capabilities that BPF asks for this process has.
#pragma once

#include <cstdint>
#include <string>

namespace penstock::bpf {

// Effective capabilities as a bit set, CAP_x being bit x; none where they cannot be read.
uint64_t effective_capabilities();

// Of CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON those that `effective` lacks: "CAP_BPF and
// CAP_NET_ADMIN"; empty if it lacks none. CAP_SYS_ADMIN stands for CAP_BPF and CAP_PERFMON.
std::string lacking_capabilities(uint64_t effective);

}  // namespace penstock::bpf
