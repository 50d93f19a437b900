// Whether memory is so short that whoever comes is refused. Refusing begins and ends at different
// marks, or each tunnel that ends would let one in that is refused a moment later.
// Pure.
#pragma once

#include <algorithm>
#include <cstdint>

namespace penstock::admission {

// Bytes; a limit of 0 means "none". The two are kept apart since they mean different things: what
// this process has resident, and what its control group is charged with, which the kernel counts
// together with socket buffers, pipes and the group's other processes.
struct MemoryUse {
  uint64_t resident = 0;
  uint64_t limit = 0;
  uint64_t group_used = 0;
  uint64_t group_limit = 0;

  // Of the limit that is nearer; 0 without one.
  double share() const {
    const auto part = [](uint64_t used, uint64_t of) {
      return of == 0 ? 0.0 : static_cast<double>(used) / static_cast<double>(of);
    };
    return std::max(part(resident, limit), part(group_used, group_limit));
  }
};

class MemoryGuard {
 public:
  static constexpr double kRefuseAbove = 0.90;
  static constexpr double kTakeBelow = 0.85;

  // Takes in what is used now, and says whether set-ups are refused from here on.
  bool look(const MemoryUse& use) {
    const double share = use.share();
    if (share > kRefuseAbove) is_short_ = true;
    if (share < kTakeBelow) is_short_ = false;
    return is_short_;
  }

 private:
  bool is_short_ = false;
};

}  // namespace penstock::admission
