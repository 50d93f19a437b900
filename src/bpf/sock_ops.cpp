#include <bpf/bpf.h>
#include <fmt/format.h>

#include <cerrno>
#include <cstring>

#include "bpf/cgroup.h"
#include "bpf/loading.h"
#include "bpf/source.h"

using penstock::bpf::Settings;  // the skeleton names them without a namespace
#include "sock_ops.skel.h"

namespace penstock::bpf {
namespace {

constexpr std::string_view kSockOps = "sock_ops";

class SockOps final : public Source {
 public:
  SockOps(Object<sock_ops_bpf> object, Link link, std::string at)
      : object_(std::move(object)), link_(std::move(link)), at_(std::move(at)) {}

  Readings read() override {
    return read_maps(object_->maps.distributions, object_->maps.counts, object_->bss->lost);
  }
  bool measures(Measure measure) const override { return measure != kAcceptQueue; }
  bool counts(Event) const override { return true; }
  std::string what() const override { return fmt::format("sock_ops on {}", at_); }

 private:
  Object<sock_ops_bpf> object_;
  Link link_;  // before the object goes
  std::string at_;
};

std::expected<std::string, std::string> place(const Wanted& wanted) {
  if (!wanted.cgroup.empty()) return wanted.cgroup;
  if (wanted.pid != 0) return cgroup_of(wanted.pid);
  return cgroup_root();
}

}  // namespace

Opened open_sock_ops(const Wanted& wanted, const std::vector<int>& listeners) {
  const auto at = place(wanted);
  if (!at) return std::unexpected(fmt::format("{}: {}", kSockOps, at.error()));
  if (const auto known = cgroup_place(*at); !known) {
    return std::unexpected(fmt::format("{}: {}", kSockOps, known.error()));
  }
  auto object = open_object<sock_ops_bpf>(kSockOps);
  if (!object) return std::unexpected(object.error());
  sock_ops_bpf& program = **object;
  program.rodata->settings = settings_for(wanted);
  if (const int error = sock_ops_bpf::load(&program); error != 0) {
    return std::unexpected(refusal(kSockOps, -error));
  }
  // Marked before the program runs, so that none of their connections comes unmarked.
  Connection marked{};
  marked.traced = 1;
  for (const int listener : listeners) {
    bpf_map_update_elem(bpf_map__fd(program.maps.connections), &listener, &marked, BPF_ANY);
  }
  Link link = attach_to_cgroup(program.progs.watch, *at);
  if (!link) return std::unexpected(refusal(kSockOps, errno));
  return std::make_unique<SockOps>(std::move(*object), std::move(link), *at);
}

}  // namespace penstock::bpf
