#include "bpf/capabilities.h"

#include <gtest/gtest.h>
#include <linux/capability.h>

namespace penstock::bpf {
namespace {

constexpr uint64_t bit(int capability) {
  return uint64_t{1} << capability;
}

TEST(Capabilities, ThatAreMissingAreNamed) {
  EXPECT_EQ(lacking_capabilities(0), "CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON");
  EXPECT_EQ(lacking_capabilities(bit(CAP_BPF)), "CAP_NET_ADMIN and CAP_PERFMON");
  EXPECT_EQ(lacking_capabilities(bit(CAP_BPF) | bit(CAP_NET_ADMIN) | bit(CAP_PERFMON)), "");
}

TEST(Capabilities, OfASystemAdministratorStandForTwoOfThem) {
  EXPECT_EQ(lacking_capabilities(bit(CAP_SYS_ADMIN)), "CAP_NET_ADMIN");
  EXPECT_EQ(lacking_capabilities(bit(CAP_SYS_ADMIN) | bit(CAP_NET_ADMIN)), "");
}

}  // namespace
}  // namespace penstock::bpf
