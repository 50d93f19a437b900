// c-ares as transport: retry, the next server, TCP after truncation. What is sent and how a reply
// is read is ours (dns/message.h).
//
// c-ares 1.18 sends every query of a busy channel from one UDP source port, which leaves an
// off-path attacker only 16 bits to guess. So a channel carries one query at a time and closes
// its sockets behind it; queries that run together use channels of their own.
//
// Thread: the loop's.   Cost: 73 KiB and 60 us to make a channel; a few are kept.
// Limits: kChannelsMax channels; who comes later waits in line.
#pragma once

#include <ares.h>

#include <memory>
#include <span>
#include <vector>

#include "base/error.h"
#include "base/ip.h"
#include "base/list.h"
#include "base/time.h"
#include "loop/loop.h"
#include "loop/task.h"
#include "sys/fd.h"

namespace penstock::dns {

struct Servers {
  std::vector<Endpoint> endpoints;  // asked in this order
  int attempts = 2;                 // rounds

  friend bool operator==(const Servers&, const Servers&) = default;
};

using Message = std::vector<uint8_t>;

class Channel {
 public:
  Channel(loop::Loop& loop, const Servers& servers);
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;
  ~Channel();

  // Sends `query`, whose id and question the reply has; `query` outlives the task. Errors:
  // kDnsFailed, kDnsTimeout. One at a time; a channel whose task was cancelled is thrown away.
  loop::Task<Result<Message>> ask(std::span<const uint8_t> query, Instant deadline);

  // After ask(): may it be used again? Channels have been seen to go bad after time-outs and
  // refusals, and a new one is cheap.
  bool reusable() const { return reusable_; }
  // After ask(): how often a server was given up on.
  int timeouts() const { return timeouts_; }

  // The first try; doubled in each round. A second server is asked well before the default
  // limit of 3 s for a resolution.
  static constexpr auto kTry = std::chrono::milliseconds(1000);

 private:
  // c-ares opens and closes the descriptors; it says so before it closes one.
  struct Socket {
    int fd = -1;
    sys::Fd duplicate;
    loop::Source reading;
    // Only while a TCP connection is made and written. On a duplicate, because a Source keeps its
    // directions for life, and edge-triggered, because a level-triggered one would report "can
    // be written" for ever after.
    loop::Source writing;
  };

  static void on_socket(void* self, ares_socket_t fd, int readable, int writable);
  static void on_reply(void* self, int status, int timeouts, unsigned char* bytes, int size);
  void watch(int fd, bool writable);
  Instant next_timeout() const;
  void process_ready();

  loop::Loop& loop_;
  ares_channel channel_ = nullptr;  // null: could not be made
  std::vector<std::unique_ptr<Socket>> sockets_;
  bool answered_ = false;
  bool reusable_ = false;
  int timeouts_ = 0;
  Result<Message> reply_;
};

class ChannelPool {
 public:
  explicit ChannelPool(loop::Loop& loop) : loop_(loop) {}

  // For queries from now on.
  void use(Servers servers);

  loop::Task<Result<Message>> ask(Message query, Instant deadline);

  static constexpr size_t kChannelsMax = 256;
  static constexpr size_t kIdleMax = 16;
  // How long a server that was passed over because it kept silent is not asked first.
  static constexpr Duration kDemotion = std::chrono::seconds(30);

 private:
  class Lease;
  // A place in the line for a channel.
  struct Place : ListNode {
    explicit Place(ChannelPool& owner);
    ~Place();
    ChannelPool& pool;
    loop::Event turn;
  };

  std::unique_ptr<Channel> take();
  void start_with(size_t server);
  void wake_next();

  loop::Loop& loop_;
  Servers servers_;
  size_t first_ = 0;         // the server that is asked first
  Instant demoted_until_;    // of the servers before it
  uint64_t generation_ = 0;  // of servers_ and first_: channels of another one are not kept
  std::vector<std::unique_ptr<Channel>> idle_;
  size_t busy_ = 0;
  List<Place> waiting_;
};

}  // namespace penstock::dns
