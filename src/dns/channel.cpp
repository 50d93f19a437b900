#include "dns/channel.h"

#include <fcntl.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "dns/message.h"

namespace penstock::dns {
namespace {

// Made once for the process and never cleaned up: channels of several threads use it.
bool library_ready() {
  static const bool ready = ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS;
  return ready;
}

ares_channel make_channel(int attempts, ares_sock_state_cb on_socket, void* self) {
  if (!library_ready()) return nullptr;
  char lookups[] = "b";
  char nothing[] = "/dev/null";
  ares_options options{};
  // No search domain is ever added here, and HOSTALIASES of the environment is not read. With
  // everything given that c-ares would look for, it opens no file.
  options.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_EDNS;
  options.timeout = static_cast<int>(Channel::kTry.count());
  options.tries = attempts;
  options.ndots = 1;
  options.lookups = lookups;
  options.ednspsz = kUdpPayload;
  options.sock_state_cb = on_socket;
  options.sock_state_cb_data = self;
  options.resolvconf_path = nothing;
  const int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS |
                   ARES_OPT_DOMAINS | ARES_OPT_LOOKUPS | ARES_OPT_SORTLIST | ARES_OPT_EDNSPSZ |
                   ARES_OPT_SOCK_STATE_CB | ARES_OPT_NOROTATE | ARES_OPT_RESOLVCONF;
  ares_channel channel = nullptr;
  if (ares_init_options(&channel, &options, mask) != ARES_SUCCESS) return nullptr;
  return channel;
}

bool set_servers(ares_channel channel, const std::vector<Endpoint>& endpoints) {
  std::vector<ares_addr_port_node> nodes(endpoints.size());
  for (size_t i = 0; i < nodes.size(); ++i) {
    const IpAddress& address = endpoints[i].address;
    ares_addr_port_node& node = nodes[i];
    node.next = i + 1 < nodes.size() ? &nodes[i + 1] : nullptr;
    node.family = address.v6 ? AF_INET6 : AF_INET;
    std::memcpy(&node.addr, address.bytes.data(), address.v6 ? 16 : 4);
    node.udp_port = node.tcp_port = endpoints[i].port;
  }
  return !nodes.empty() && ares_set_servers_ports(channel, nodes.data()) == ARES_SUCCESS;
}

}  // namespace

Channel::Channel(loop::Loop& loop, const Servers& servers)
    : loop_(loop), channel_(make_channel(servers.attempts, on_socket, this)) {
  if (channel_ && !set_servers(channel_, servers.endpoints)) {
    ares_destroy(std::exchange(channel_, nullptr));
  }
}

Channel::~Channel() {
  if (channel_) ares_destroy(channel_);  // calls back for a query in flight and each socket
}

loop::Task<Result<Message>> Channel::ask(std::span<const uint8_t> query, Instant deadline) {
  answered_ = reusable_ = false;
  timeouts_ = 0;
  if (!channel_) co_return fail(Code::kDnsFailed);
  ares_send(channel_, query.data(), static_cast<int>(query.size()), on_reply, this);
  loop::Timer timer(loop_);
  while (!answered_) {
    if (loop_.now() >= deadline) co_return fail(Code::kDnsTimeout);
    timer.arm(std::min(deadline, next_timeout()));
    {
      // c-ares runs only between the waits, so no socket comes or goes while it is waited for.
      loop::Wait wait(loop_);
      for (const auto& socket : sockets_) {
        wait.on(socket->reading, loop::kReadable);
        if (socket->duplicate) wait.on(socket->writing, loop::kWritable);
      }
      wait.until(timer);
      co_await wait;
    }
    process_ready();
  }
  co_return std::move(reply_);
}

void Channel::process_ready() {
  struct Ready {
    ares_socket_t read = ARES_SOCKET_BAD;
    ares_socket_t write = ARES_SOCKET_BAD;
  };
  std::vector<Ready> ready;
  for (const auto& socket : sockets_) {
    Ready bits;
    if (socket->reading.ready(loop::kReadable)) bits.read = socket->fd;
    if (socket->duplicate && socket->writing.ready(loop::kWritable)) bits.write = socket->fd;
    // What is left to read is reported again: the registration is level-triggered.
    socket->reading.clear(0xff);
    socket->writing.clear(0xff);
    if (bits.read != ARES_SOCKET_BAD || bits.write != ARES_SOCKET_BAD) ready.push_back(bits);
  }
  // c-ares finds the socket by its number; if it has closed it since, it finds none, or a new one
  // with nothing to read.
  for (const Ready& bits : ready) ares_process_fd(channel_, bits.read, bits.write);
  if (ready.empty()) ares_process_fd(channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

Instant Channel::next_timeout() const {
  timeval wait;
  if (!ares_timeout(channel_, nullptr, &wait)) return kNever;
  return loop_.now() + std::chrono::seconds(wait.tv_sec) + std::chrono::microseconds(wait.tv_usec);
}

void Channel::on_socket(void* self, ares_socket_t fd, int readable, int writable) {
  auto& channel = *static_cast<Channel*>(self);
  if (readable || writable) return channel.watch(fd, writable != 0);
  // The registration ends before c-ares closes the descriptor, and the duplicate before that: the
  // kernel forgets both when the last descriptor of the socket is gone.
  std::erase_if(channel.sockets_, [fd](const auto& socket) { return socket->fd == fd; });
}

void Channel::watch(int fd, bool writable) {
  auto found = std::ranges::find(sockets_, fd, [](const auto& socket) { return socket->fd; });
  if (found == sockets_.end()) {
    auto socket = std::make_unique<Socket>();
    socket->fd = fd;
    socket->reading = loop::Source(loop_, fd, loop::Source::Trigger::kLevel, loop::kReadable);
    found = sockets_.insert(sockets_.end(), std::move(socket));
  }
  Socket& socket = **found;
  if (!writable || socket.duplicate) return;
  // Out of descriptors: the query ends with its time-out.
  socket.duplicate = sys::Fd(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!socket.duplicate) return;
  socket.writing =
      loop::Source(loop_, socket.duplicate.get(), loop::Source::Trigger::kEdge, loop::kWritable);
}

void Channel::on_reply(void* self, int status, int timeouts, unsigned char* bytes, int size) {
  auto& channel = *static_cast<Channel*>(self);
  channel.answered_ = true;
  channel.timeouts_ = timeouts;
  if (status != ARES_SUCCESS || !bytes || size < 12) {
    channel.reply_ = fail(status == ARES_ETIMEOUT ? Code::kDnsTimeout : Code::kDnsFailed);
    return;
  }
  channel.reply_ = Message(bytes, bytes + size);
  // Without an additional record there is no OPT record: the server may not know EDNS, and then
  // c-ares has switched it off in this channel while our queries go on to carry it.
  const bool edns = bytes[10] != 0 || bytes[11] != 0;
  channel.reusable_ = timeouts == 0 && edns;
}

ChannelPool::Place::Place(ChannelPool& owner) : pool(owner), turn(owner.loop_) {
  pool.waiting_.push_back(*this);
}

// Whoever leaves, served or cancelled, passes on a wake-up that may have been its own.
ChannelPool::Place::~Place() {
  unlink();
  pool.wake_next();
}

// A channel for one query. It goes back to the pool only if the query ended well.
class ChannelPool::Lease {
 public:
  explicit Lease(ChannelPool& pool)
      : pool_(pool), first_(pool.first_), generation_(pool.generation_), channel_(pool.take()) {
    ++pool_.busy_;
  }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  ~Lease() {
    --pool_.busy_;
    const bool keep =
        channel_->reusable() && generation_ == pool_.generation_ && pool_.idle_.size() < kIdleMax;
    if (keep) pool_.idle_.push_back(std::move(channel_));
    pool_.wake_next();
  }
  Channel& channel() { return *channel_; }

  // After a success: if others kept silent before, go on with the one that answered.
  void judge_servers() {
    const size_t count = pool_.servers_.endpoints.size();
    if (channel_->timeouts() == 0 || count < 2 || generation_ != pool_.generation_) return;
    pool_.demoted_until_ = pool_.loop_.now() + kDemotion;
    pool_.start_with((first_ + static_cast<size_t>(channel_->timeouts())) % count);
  }

 private:
  ChannelPool& pool_;
  size_t first_;
  uint64_t generation_;
  std::unique_ptr<Channel> channel_;
};

void ChannelPool::use(Servers servers) {
  servers_ = std::move(servers);
  start_with(0);
}

void ChannelPool::start_with(size_t server) {
  first_ = server;
  ++generation_;
  idle_.clear();
}

std::unique_ptr<Channel> ChannelPool::take() {
  if (!idle_.empty()) {
    auto channel = std::move(idle_.back());
    idle_.pop_back();
    return channel;
  }
  Servers ordered = servers_;
  auto& endpoints = ordered.endpoints;
  std::rotate(endpoints.begin(), endpoints.begin() + static_cast<std::ptrdiff_t>(first_),
              endpoints.end());
  return std::make_unique<Channel>(loop_, ordered);
}

void ChannelPool::wake_next() {
  if (busy_ < kChannelsMax && !waiting_.empty()) waiting_.front().turn.notify_all();
}

loop::Task<Result<Message>> ChannelPool::ask(Message query, Instant deadline) {
  if (busy_ >= kChannelsMax || !waiting_.empty()) {
    loop::Timer timer(loop_);
    timer.arm(deadline);
    Place place(*this);
    while (busy_ >= kChannelsMax || &waiting_.front() != &place) {
      if (timer.expired()) co_return fail(Code::kDnsTimeout);
      co_await place.turn.wait(timer);
    }
  }
  if (first_ != 0 && loop_.now() >= demoted_until_) start_with(0);
  Lease lease(*this);
  auto reply = co_await lease.channel().ask(query, deadline);
  if (reply) lease.judge_servers();
  co_return reply;
}

}  // namespace penstock::dns
