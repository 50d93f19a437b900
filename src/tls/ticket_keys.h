// The keys that session tickets are sealed with (RFC 5077, RFC 8446 section 4.6.1). A ticket is the
// client's memory of a session, and whoever has its key can read it: so keys are random, live in
// memory only, seal for an hour, open for one more, and are then overwritten.
// Thread: any; all workers share one, so that a client may come back to another worker.
// Cost: a lock for the time of a copy, twice per handshake.
#pragma once

#include <openssl/ssl.h>

#include <array>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>

#include "base/time.h"

namespace penstock::tls {

struct TicketKey {
  std::array<uint8_t, 16> name{};
  std::array<uint8_t, 32> cipher{};
  std::array<uint8_t, 32> mac{};
};

class TicketKeys {
 public:
  static constexpr Duration kSeals = std::chrono::hours(1);
  static constexpr Duration kOpens = 2 * kSeals;

  TicketKeys() = default;
  TicketKeys(const TicketKeys&) = delete;
  TicketKeys& operator=(const TicketKeys&) = delete;
  ~TicketKeys();

  // The key to seal with.
  TicketKey newest(Instant now);
  // The key of that name, unless it is too old; `renew`: it no longer seals.
  std::optional<TicketKey> find(std::span<const uint8_t, 16> name, Instant now, bool* renew);

 private:
  struct Dated {
    TicketKey key;
    Instant made{};
    bool exists = false;
  };
  void rotate(Instant now);

  std::mutex mutex_;
  std::array<Dated, 2> keys_;  // newest first
};

// Makes `context` seal its tickets with `keys`, which must outlive its sessions. Sessions whose
// client certificate has expired meanwhile are not taken up again.
void seal_tickets(SSL_CTX* context, TicketKeys& keys);

}  // namespace penstock::tls
