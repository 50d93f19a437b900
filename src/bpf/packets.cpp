#include <fmt/format.h>
#include <net/if.h>

#include <cerrno>
#include <cstring>

#include "bpf/loading.h"
#include "bpf/source.h"

using penstock::bpf::Settings;  // the skeleton names them without a namespace
#include "packets.skel.h"

namespace penstock::bpf {
namespace {

constexpr std::string_view kPackets = "packets";

// A filter of tc's on what leaves an interface. There is no link to own: it is taken away by hand,
// and one of a process that was killed stays until the next one replaces it (`tc filter del dev IF
// egress`).
class EgressFilter {
 public:
  explicit EgressFilter(int interface) {
    // libbpf looks at the padding too, which {} need not clear.
    std::memset(&hook_, 0, sizeof(hook_));
    hook_.sz = sizeof(hook_);
    hook_.ifindex = interface;
    hook_.attach_point = BPF_TC_EGRESS;
  }
  EgressFilter(const EgressFilter&) = delete;
  EgressFilter& operator=(const EgressFilter&) = delete;
  ~EgressFilter() {
    if (!attached_) return;
    bpf_tc_opts place = options();
    bpf_tc_detach(&hook_, &place);
    if (made_hook_) {
      hook_.attach_point = static_cast<bpf_tc_attach_point>(BPF_TC_INGRESS | BPF_TC_EGRESS);
      bpf_tc_hook_destroy(&hook_);
    }
  }

  // A negative errno, or 0.
  int attach(const bpf_program* program) {
    // The hook may be somebody else's, and then stays.
    const int made = bpf_tc_hook_create(&hook_);
    if (made != 0 && made != -EEXIST) return made;
    made_hook_ = made == 0;
    bpf_tc_opts wanted = options();
    wanted.flags = BPF_TC_F_REPLACE;
    wanted.prog_fd = bpf_program__fd(program);
    const int error = bpf_tc_attach(&hook_, &wanted);
    attached_ = error == 0;
    return error;
  }

 private:
  static constexpr uint32_t kHandle = 0x70737463;  // ours: "pstc"
  static constexpr uint32_t kPriority = 1;

  static bpf_tc_opts options() {
    bpf_tc_opts out;
    std::memset(&out, 0, sizeof(out));
    out.sz = sizeof(out);
    out.handle = kHandle;
    out.priority = kPriority;
    return out;
  }

  bpf_tc_hook hook_;
  bool made_hook_ = false;
  bool attached_ = false;
};

class Packets final : public Source {
 public:
  Packets(Object<packets_bpf> object, Link ingress, std::unique_ptr<EgressFilter> egress,
          std::string interface)
      : object_(std::move(object)),
        ingress_(std::move(ingress)),
        egress_(std::move(egress)),
        interface_(std::move(interface)) {}

  Readings read() override {
    return read_maps(object_->maps.distributions, object_->maps.counts, object_->bss->lost);
  }
  bool measures(Measure measure) const override {
    return measure == kConnect || measure == kHandshake;
  }
  bool counts(Event event) const override { return event != kSegmentRetransmitted; }
  std::string what() const override { return fmt::format("packets of {} (XDP, tc)", interface_); }

 private:
  Object<packets_bpf> object_;
  Link ingress_;
  std::unique_ptr<EgressFilter> egress_;  // before the object goes
  std::string interface_;
};

}  // namespace

Opened open_packets(const Wanted& wanted) {
  const unsigned interface = if_nametoindex(wanted.interface.c_str());
  if (interface == 0) {
    return std::unexpected(
        fmt::format("{}: there is no interface \"{}\"", kPackets, wanted.interface));
  }
  auto object = open_object<packets_bpf>(kPackets);
  if (!object) return std::unexpected(object.error());
  packets_bpf& skeleton = **object;
  skeleton.rodata->settings = settings_for(wanted);
  if (const int error = packets_bpf::load(&skeleton); error != 0) {
    return std::unexpected(refusal(kPackets, -error));
  }
  Link ingress(bpf_program__attach_xdp(skeleton.progs.packet_in, static_cast<int>(interface)));
  if (!ingress) return std::unexpected(refusal(kPackets, errno));
  auto egress = std::make_unique<EgressFilter>(static_cast<int>(interface));
  if (const int error = egress->attach(skeleton.progs.packet_out); error != 0) {
    return std::unexpected(refusal(kPackets, -error));
  }
  return std::make_unique<Packets>(std::move(*object), std::move(ingress), std::move(egress),
                                   wanted.interface);
}

}  // namespace penstock::bpf
