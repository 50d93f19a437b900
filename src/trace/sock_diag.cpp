#include "trace/sock_diag.h"

#include <fmt/format.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <span>

#include "sys/calls.h"
#include "sys/fd.h"
#include "sys/netlink.h"
#include "trace/processes.h"

namespace penstock::trace {

using bpf::Readings;

namespace {

constexpr uint32_t kEstablished = 1, kListen = 10, kAllStates = 0xfff;
// All that are worth asking for: not TIME_WAIT (6), CLOSE (7) and half-open ones (3, 12).
constexpr uint32_t kStates = kAllStates & ~(1u << 6 | 1u << 7 | 1u << 3 | 1u << 12);

struct Request {
  nlmsghdr header;
  inet_diag_req_v2 body;
};

Endpoint endpoint(uint8_t family, const __be32* words, __be16 port) {
  Endpoint out;
  out.address.v6 = family == AF_INET6;
  std::memcpy(out.address.bytes.data(), words, out.address.v6 ? 16 : 4);
  out.port = ntohs(port);
  return out;
}

struct Found {
  inet_diag_msg message;
  tcp_info info;
};

// One dump of one family's connections; false if the kernel does not answer it.
bool dump(int socket, uint8_t family, std::vector<Found>* out) {
  Request request{};
  request.header = {.nlmsg_len = sizeof(request),
                    .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
                    .nlmsg_seq = 0,
                    .nlmsg_pid = 0};
  request.body.sdiag_family = family;
  request.body.sdiag_protocol = IPPROTO_TCP;
  request.body.idiag_ext = 1 << (INET_DIAG_INFO - 1);
  request.body.idiag_states = kStates;
  if (sys::calls::send(socket, &request, sizeof(request)) < 0) return false;
  alignas(nlmsghdr) std::array<char, 32 * 1024> buffer;
  for (;;) {
    const long received = sys::calls::recv(socket, buffer.data(), buffer.size());
    if (received <= 0) return false;
    auto left = static_cast<unsigned>(received);
    // SAFETY: netlink messages are read in place, as their macros walk them; the buffer is aligned.
    for (auto* header = reinterpret_cast<nlmsghdr*>(buffer.data()); NLMSG_OK(header, left);
         header = NLMSG_NEXT(header, left)) {
      if (header->nlmsg_type == NLMSG_DONE) return true;
      if (header->nlmsg_type == NLMSG_ERROR) return false;
      Found found{};
      std::memcpy(&found.message, NLMSG_DATA(header), sizeof(found.message));
      auto length = static_cast<unsigned>(header->nlmsg_len - NLMSG_LENGTH(sizeof(inet_diag_msg)));
      // SAFETY: attributes follow the message within the same buffer.
      auto* at = reinterpret_cast<rtattr*>(static_cast<char*>(NLMSG_DATA(header)) +
                                           NLMSG_ALIGN(sizeof(inet_diag_msg)));
      for (; RTA_OK(at, length); at = RTA_NEXT(at, length)) {
        if (at->rta_type != INET_DIAG_INFO) continue;
        std::memcpy(&found.info, RTA_DATA(at),
                    std::min<size_t>(RTA_PAYLOAD(at), sizeof(found.info)));
      }
      out->push_back(found);
    }
  }
}

class SockDiag final : public bpf::Source {
 public:
  SockDiag(sys::Fd socket, bpf::Wanted wanted)
      : socket_(std::move(socket)), wanted_(std::move(wanted)) {}

  Readings read() override {
    std::vector<Found> found;
    dump(socket_.get(), AF_INET, &found);
    dump(socket_.get(), AF_INET6, &found);
    sightings_.look(sightings_of(found));
    return sightings_.readings();
  }
  bool measures(bpf::Measure measure) const override {
    return measure == bpf::kSmoothedRtt || measure == bpf::kMinRtt;
  }
  bool counts(bpf::Event event) const override {
    return event == bpf::kEstablished || event == bpf::kSegmentRetransmitted;
  }
  std::string what() const override {
    return "sock_diag: RTTs and retransmissions of connections that are open when it looks";
  }

 private:
  std::vector<Sighting> sightings_of(const std::vector<Found>& found) const;

  sys::Fd socket_;
  bpf::Wanted wanted_;
  Sightings sightings_;
};

std::vector<Sighting> SockDiag::sightings_of(const std::vector<Found>& found) const {
  const bool all = !names_processes(wanted_);
  const auto ours = all ? std::set<uint64_t>() : socket_inodes_of(processes(wanted_));
  std::set<uint16_t> listening;
  for (const Found& one : found) {
    if (one.message.idiag_state == kListen) listening.insert(ntohs(one.message.id.idiag_sport));
  }
  std::vector<Sighting> out;
  for (const Found& one : found) {
    const auto& id = one.message.id;
    if (one.message.idiag_state == kListen) continue;
    if (!all && !ours.contains(one.message.idiag_inode)) continue;
    const Endpoint near = endpoint(one.message.idiag_family, id.idiag_src, id.idiag_sport);
    const Endpoint far = endpoint(one.message.idiag_family, id.idiag_dst, id.idiag_dport);
    // Nobody wrote down who called whom; a port that somebody listens on tells.
    const bool incoming = listening.contains(near.port);
    Sighting sighting{
        .cookie = uint64_t{id.idiag_cookie[1]} << 32 | id.idiag_cookie[0],
        .inode = one.message.idiag_inode,
        .where = {.direction = incoming ? bpf::kIncoming : bpf::kOutgoing, .destination = {}},
        .established = one.message.idiag_state == kEstablished,
        .rtt_us = one.info.tcpi_rtt,
        .min_rtt_us = one.info.tcpi_min_rtt,
        .retransmits = one.info.tcpi_total_retrans};
    if (wanted_.by_destination) sighting.where.destination = incoming ? near : far;
    out.push_back(sighting);
  }
  return out;
}

}  // namespace

void Sightings::look(const std::vector<Sighting>& open) {
  for (auto& [cookie, last] : last_) last.open = false;
  for (const Sighting& now : open) {
    const auto [at, is_new] = last_.try_emplace(now.cookie);
    Last& last = at->second;
    // What was retransmitted before the first look is not of our time.
    if (is_new) last.sighting.retransmits = now.retransmits;
    if (!last.sighting.established && now.established) {
      ++readings_.counts[{now.where, bpf::kEstablished, 0}];
    }
    if (now.retransmits > last.sighting.retransmits) {
      readings_.counts[{now.where, bpf::kSegmentRetransmitted, 0}] +=
          now.retransmits - last.sighting.retransmits;
    }
    const bool was_established = last.sighting.established;
    last.sighting = now;
    last.sighting.established |= was_established;
    last.open = true;
  }
  std::erase_if(last_, [&](const auto& item) {
    const Last& last = item.second;
    if (last.open) return false;
    const Sighting& end = last.sighting;
    if (end.rtt_us > 0)
      bpf::record(readings_.distributions[{end.where, bpf::kSmoothedRtt}], end.rtt_us);
    if (end.min_rtt_us > 0 && end.min_rtt_us != UINT32_MAX) {
      bpf::record(readings_.distributions[{end.where, bpf::kMinRtt}], end.min_rtt_us);
    }
    return true;
  });
}

bpf::Opened open_sock_diag(const bpf::Wanted& wanted) {
  auto socket = sys::open_netlink(NETLINK_SOCK_DIAG);
  if (!socket) return std::unexpected(fmt::format("sock_diag: {}", std::strerror(socket.error())));
  std::vector<Found> ignored;
  if (!dump(socket->get(), AF_INET, &ignored)) {
    return std::unexpected("sock_diag: the kernel does not answer it");
  }
  return std::make_unique<SockDiag>(std::move(*socket), wanted);
}

}  // namespace penstock::trace
