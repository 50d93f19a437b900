// The ledger of ephemeral ports. Towards one destination (address and port) each source address has
// as many ports as net.ipv4.ip_local_port_range, and a connection of ours keeps one: while it
// lives, and after it in TIME_WAIT where our FIN went first.
//
// Why count what the kernel knows? A connect() that finds no port has looked at every one of them:
// 3.5 ms of CPU with the default range of 28,232, for each client that is refused. So the ledger
// says no in the kernel's place, but only when it is sure:
//
//   its own count says that every port is taken, and
//   the kernel said so too, less than a second ago.
//
// The count alone is not proof: a route may have changed, and with it the source address that the
// kernel chooses; the range may have; a full TIME_WAIT table forgets. And the kernel's word alone
// is none either, since another program may just have given its ports back.
//
// Pure.   Thread: any.   Cost: one short lock and one look-up, to take and to give back.
// Memory: one entry per source and destination with a port held, some 130 bytes; 64 more where
// ports rest; at most kRestingMax without a connection.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "admission/stripes.h"
#include "base/ip.h"
#include "base/port_room.h"
#include "base/time.h"

namespace penstock::admission {

class Ports {
  struct Key {
    IpAddress source;  // 0.0.0.0: the kernel chose
    Endpoint to;
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct KeyHash {
    size_t operator()(const Key& key) const noexcept;
  };
  // Ports in TIME_WAIT, by when they began to rest. Each is forgotten a little early, never late.
  class Resting {
   public:
    static constexpr Duration kLeast = std::chrono::milliseconds(1);
    void add(Instant now, Duration rest);
    uint32_t count(Instant now, Duration rest);

   private:
    static constexpr int64_t kSlots = 16;
    void advance(int64_t current);
    std::array<uint32_t, kSlots> slots_{};
    int64_t newest_ = 0;  // counted from the clock's epoch
  };
  struct Held {
    Ports* ports = nullptr;
    Instant refused_until{};  // the kernel said that there is none
    uint32_t in_use = 0;
    std::unique_ptr<Resting> resting;
  };
  using Table = Stripes<Key, Held, KeyHash>;
  using Entry = Table::Map::value_type;

 public:
  // What a destination without a connection may be remembered by, in all.
  static constexpr size_t kRestingMax = size_t{1} << 16;

  // One port, given back when it goes.
  class [[nodiscard]] Share {
   public:
    Share() = default;
    Share(Share&& other) noexcept : entry_(std::exchange(other.entry_, nullptr)) {}
    Share& operator=(Share&& other) noexcept {
      std::swap(entry_, other.entry_);
      return *this;
    }
    ~Share() { give_back(); }
    explicit operator bool() const { return entry_ != nullptr; }

    // The kernel had none: EADDRNOTAVAIL.
    void refused(Instant now);
    // The connection is closed next, and goes through TIME_WAIT on our side: its FIN went first.
    void rest(Instant now);
    // More than three quarters of the ports are taken; what is only convenient must wait.
    bool scarce(Instant now) const;

   private:
    friend class Ports;
    explicit Share(Entry* entry) : entry_(entry) {}
    void give_back();
    Entry* entry_ = nullptr;  // nodes of an unordered_map stay where they are
  };

  explicit Ports(const PortRoom& room) { set_room(room); }

  // A port for a connection from `source` (empty: the kernel chooses) to `to`. Empty: there is
  // none, for sure.
  Share take(const std::optional<IpAddress>& source, const Endpoint& to, Instant now);

  // The kernel's settings have changed, or not.
  void set_room(const PortRoom& room);
  uint32_t room() const { return room_.load(std::memory_order_relaxed); }

  struct Count {
    uint64_t in_use = 0;
    uint64_t resting = 0;
  };
  // By source address, over all destinations.
  std::map<IpAddress, Count> counts(Instant now);
  uint64_t refused() const { return refused_.load(std::memory_order_relaxed); }
  uint64_t refused_by_kernel() const { return refused_by_kernel_.load(std::memory_order_relaxed); }
  size_t entries() { return table_.size(); }

 private:
  Duration rest_of(const Key& key) const;
  uint32_t taken(Entry& entry, Instant now) const;
  static uint32_t resting(Held& held, Instant now, Duration rest);
  void tidy(Table::Stripe& stripe, Instant now) const;

  Table table_;
  std::atomic<uint32_t> room_;
  std::atomic<Duration> rest_;
  std::atomic<Duration> rest_on_loopback_;
  std::atomic<uint64_t> refused_{0};
  std::atomic<uint64_t> refused_by_kernel_{0};
};

using PortShare = Ports::Share;

}  // namespace penstock::admission
