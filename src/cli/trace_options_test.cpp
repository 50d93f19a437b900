#include "cli/trace_options.h"

#include <gtest/gtest.h>

namespace penstock::cli {
namespace {

using namespace std::chrono_literals;

std::string fault_of(const TraceOptions& written) {
  const auto options = read(written);
  return options ? "none" : options.error();
}

TEST(TraceOptionsOf, NothingTraceEverybodyEverySecondUntilToldToEnd) {
  const auto options = read(TraceOptions{}).value();
  EXPECT_EQ(options.backend, trace::Backend::kAuto);
  EXPECT_EQ(options.interval, 1s);
  EXPECT_EQ(options.duration, Duration::zero());
  EXPECT_FALSE(options.wanted.by_destination);
}

TEST(TraceOptionsOf, ACommandLineAreTaken) {
  TraceOptions written;
  written.pid = "42";
  written.by = "destination";
  written.backend = "kprobe";
  written.interval = "250ms";
  written.prometheus = "127.0.0.1:9435";
  const auto options = read(written).value();
  EXPECT_EQ(options.wanted.pid, 42);
  EXPECT_TRUE(options.wanted.by_destination);
  EXPECT_EQ(options.backend, trace::Backend::kKprobe);
  EXPECT_EQ(options.interval, 250ms);
  EXPECT_EQ(options.prometheus, Endpoint::parse("127.0.0.1:9435"));
}

TEST(TraceOptionsOf, TwoAnswersToWhoseConnectionsAreRefused) {
  TraceOptions written;
  written.pid = "42";
  written.comm = "squid";
  EXPECT_EQ(fault_of(written), "--pid and --comm exclude each other; give one");
}

TEST(TraceOptionsOf, EachFaultSaysWhatWouldBeRight) {
  TraceOptions written;
  written.pid = "squid";
  EXPECT_EQ(fault_of(written), "--pid: \"squid\" is no whole number from 1 to 4194304");
  written = {};
  written.comm = "a-name-of-20-letters";
  EXPECT_EQ(fault_of(written),
            "--comm: \"a-name-of-20-letters\" is too long; the kernel keeps 15 bytes of a name: "
            "\"a-name-of-20-le\"");
  written = {};
  written.backend = "ebpf";
  EXPECT_EQ(fault_of(written),
            "--backend: \"ebpf\" is none of auto, fentry, kprobe, sock_ops, packets, sock_diag");
  written = {};
  written.backend = "packets";
  EXPECT_EQ(fault_of(written), "--backend packets knows interfaces only; write --interface eth0");
  written = {};
  written.backend = "sock_ops";
  written.interface = "eth0";
  EXPECT_EQ(fault_of(written),
            "--interface is for --backend packets; \"sock_ops\" knows no interfaces");
  written = {};
  written.interval = "1ms";
  EXPECT_EQ(fault_of(written), "--interval: \"1ms\" is too short; write 100ms or more");
  written = {};
  written.prometheus = "9435";
  EXPECT_EQ(fault_of(written),
            "--prometheus: \"9435\" is no address with a port; write 127.0.0.1:9435");
}

}  // namespace
}  // namespace penstock::cli
