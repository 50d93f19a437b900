#include "bpf/dial_clock.h"

#include <cerrno>
#include <utility>

#include "bpf/cgroup.h"
#include "bpf/loading.h"
#include "bpf/shared.h"
#include "sys/socket.h"

using penstock::bpf::DialStamp;  // the skeleton is C and knows no namespace
#include "dial_clock.skel.h"

namespace penstock::bpf {
namespace {

constexpr std::string_view kProgram = "sock_ops";

}  // namespace

struct DialClock::Program {
  Object<dial_clock_bpf> object;
  Link link;  // before the object goes
};

DialClock::DialClock(std::unique_ptr<Program> program, std::string where)
    : program_(std::move(program)), where_(std::move(where)) {}

DialClock::DialClock(DialClock&& other) noexcept = default;
DialClock::~DialClock() = default;

std::expected<DialClock, std::string> DialClock::open() {
  auto cgroup = cgroup_of(0);
  if (!cgroup) return std::unexpected(cgroup.error());
  auto object = open_object<dial_clock_bpf>(kProgram);
  if (!object) return std::unexpected(object.error());
  if (const int error = dial_clock_bpf::load(object->get()); error != 0) {
    return std::unexpected(refusal(kProgram, -error));
  }
  auto link = attach_to_cgroup((*object)->progs.stamp, *cgroup);
  if (!link) return std::unexpected(refusal(kProgram, errno));
  auto program = std::make_unique<Program>(std::move(*object), std::move(link));
  return DialClock(std::move(program), std::move(*cgroup));
}

std::optional<DialClock::Handshake> DialClock::handshake(int socket) const {
  const uint64_t cookie = sys::socket_cookie(socket);
  if (cookie == 0) return std::nullopt;
  const DialStamp& stamp = program_->object->bss->stamps[cookie % kDialStamps];
  if (stamp.cookie != cookie || stamp.established_ns <= stamp.began_ns) return std::nullopt;
  return Handshake{.connect = Duration(static_cast<int64_t>(stamp.established_ns - stamp.began_ns)),
                   .syn_retransmits = stamp.syn_retransmits};
}

}  // namespace penstock::bpf
