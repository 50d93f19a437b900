#include "cli/trace_options.h"

#include "cli/option_reader.h"

namespace penstock::cli {
namespace {

using trace::Backend;

constexpr Words<Backend, 6> kBackends = {{{"auto", Backend::kAuto},
                                          {"fentry", Backend::kFentry},
                                          {"kprobe", Backend::kKprobe},
                                          {"sock_ops", Backend::kSockOps},
                                          {"packets", Backend::kPackets},
                                          {"sock_diag", Backend::kSockDiag}}};
constexpr Words<bool, 2> kGroupings = {{{"none", false}, {"destination", true}}};

// /proc/sys/kernel/pid_max goes no higher.
constexpr uint64_t kPidMax = 4'194'304;
// What a name in /proc/PID/comm has room for.
constexpr size_t kNameMax = 15;
// Reports closer to each other would measure the reporting.
constexpr Duration kIntervalMin = std::chrono::milliseconds(100);

class TraceReader : private OptionReader {
 public:
  explicit TraceReader(const TraceOptions& written) : written_(written) {}

  std::expected<trace::Options, std::string> read() {
    if (!read_whose() || !read_how() || !read_output()) return std::unexpected(fault_);
    return std::move(out_);
  }

 private:
  bool read_whose();
  bool read_how();
  bool read_output();

  const TraceOptions& written_;
  trace::Options out_;
};

bool TraceReader::read_whose() {
  const std::array<std::pair<const char*, bool>, 5> given = {
      {{"--pid", written_.pid.has_value()},
       {"--comm", written_.comm.has_value()},
       {"--cgroup", written_.cgroup.has_value()},
       {"--self", written_.self},
       {"--interface", written_.interface.has_value()}}};
  const char* first = nullptr;
  for (const auto& [option, is_given] : given) {
    if (is_given && first) return fail("{} and {} exclude each other; give one", first, option);
    if (is_given) first = option;
  }
  if (!read_number("--pid", written_.pid, 1, kPidMax, &out_.wanted.pid)) return false;
  for (const auto& [option, word] :
       {std::pair("--comm", &written_.comm), std::pair("--cgroup", &written_.cgroup),
        std::pair("--interface", &written_.interface)}) {
    if (*word && (*word)->empty()) return fail("{}: \"\" is no name", option);
  }
  out_.wanted.name = written_.comm.value_or("");
  if (out_.wanted.name.size() > kNameMax) {
    return fail("--comm: \"{}\" is too long; the kernel keeps {} bytes of a name: \"{}\"",
                out_.wanted.name, kNameMax, out_.wanted.name.substr(0, kNameMax));
  }
  out_.wanted.cgroup = written_.cgroup.value_or("");
  out_.wanted.interface = written_.interface.value_or("");
  out_.self = written_.self;
  return true;
}

bool TraceReader::read_how() {
  if (!read_word("--backend", written_.backend, kBackends, &out_.backend) ||
      !read_word("--by", written_.by, kGroupings, &out_.wanted.by_destination)) {
    return false;
  }
  const bool by_packets = out_.backend == Backend::kPackets;
  if (by_packets && !written_.interface) {
    return fail("--backend packets knows interfaces only; write --interface eth0");
  }
  if (written_.interface && !by_packets && out_.backend != Backend::kAuto) {
    return fail("--interface is for --backend packets; \"{}\" knows no interfaces",
                *written_.backend);
  }
  return true;
}

bool TraceReader::read_output() {
  if (!read_duration("--interval", written_.interval, false, &out_.interval) ||
      !read_duration("--duration", written_.duration, false, &out_.duration)) {
    return false;
  }
  if (out_.interval < kIntervalMin) {
    return fail("--interval: \"{}\" is too short; write 100ms or more", *written_.interval);
  }
  if (written_.prometheus) {
    out_.prometheus = Endpoint::parse(*written_.prometheus);
    if (!out_.prometheus) {
      return fail("--prometheus: \"{}\" is no address with a port; write 127.0.0.1:9435",
                  *written_.prometheus);
    }
  }
  if (written_.plot && written_.plot->empty()) return fail("--plot: \"\" is no file name");
  out_.plot = written_.plot.value_or("");
  out_.json = written_.json;
  return true;
}

}  // namespace

std::expected<trace::Options, std::string> read(const TraceOptions& written) {
  return TraceReader(written).read();
}

}  // namespace penstock::cli
