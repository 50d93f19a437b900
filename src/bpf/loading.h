// What the sources share: a BPF object that is opened, loaded and owned, why the kernel refused it,
// and its maps read out.
#pragma once

#include <bpf/libbpf.h>

#include <expected>
#include <memory>
#include <string>
#include <string_view>

#include "bpf/readings.h"
#include "bpf/source.h"

namespace penstock::bpf {

// A skeleton of bpftool's, owned.
template <class Skeleton>
struct Destroy {
  void operator()(Skeleton* skeleton) const { Skeleton::destroy(skeleton); }
};
template <class Skeleton>
using Object = std::unique_ptr<Skeleton, Destroy<Skeleton>>;

struct DetachLink {
  void operator()(bpf_link* link) const { bpf_link__destroy(link); }
};
using Link = std::unique_ptr<bpf_link, DetachLink>;

// Empty, and errno says why, where it cannot be.
Link attach_to_cgroup(const bpf_program* program, const std::string& directory);

// Keeps what libbpf has to say off stderr, and the last warning of it for refusal().
void quiet_libbpf();

// "sock_ops: this process lacks CAP_BPF and CAP_NET_ADMIN; run it as root", or what else it was.
// `error`: a positive errno.
std::string refusal(std::string_view source, int error);

// As the programs are told it; the cgroup of `wanted` is left out.
Settings settings_for(const Wanted& wanted);

// The maps that all programs have. `lost`: the counter in their memory.
Readings read_maps(const bpf_map* distributions, const bpf_map* counts, uint64_t lost);

// Opens Skeleton, or says why not. libbpf answers with errno.
template <class Skeleton>
std::expected<Object<Skeleton>, std::string> open_object(std::string_view source) {
  quiet_libbpf();
  Object<Skeleton> object(Skeleton::open());
  if (!object) return std::unexpected(refusal(source, errno));
  return object;
}

}  // namespace penstock::bpf
