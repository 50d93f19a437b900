// What each client, identity or group has of what its quota allows: tunnels, set-ups, bytes and
// bandwidth. An account begins with the first tunnel that is asked for, and is forgotten once it
// holds no tunnel and owes nothing.
// Thread: any.   Lifetime: outlives every QuotaShare.
// Cost: one short lock of one of 64 stripes and one look-up to come in, and again to leave
// (quotas_bench.cpp); bytes and bandwidth are atomic words of the account.
// Limits: accounts with a tunnel are bounded by the seats. Of the others each stripe keeps
// kIdleMax, some 16 MiB in all; past that the one that owes least among a few is forgotten, since a
// stranger may have 2^64 subnets.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "admission/charges.h"
#include "admission/denial.h"
#include "admission/quota_list.h"

namespace penstock::admission {

// A connection's place in its account, from admit to settle. Empty: nothing limits it.
class [[nodiscard]] QuotaShare {
 public:
  QuotaShare() = default;
  QuotaShare(QuotaShare&& other) noexcept : account_(std::exchange(other.account_, nullptr)) {}
  QuotaShare& operator=(QuotaShare&& other) noexcept {
    std::swap(account_, other.account_);
    return *this;
  }
  ~QuotaShare();
  explicit operator bool() const { return account_ != nullptr; }

  // The quota's name; lives as long as the share.
  std::string_view quota() const;
  // What the two directions of its tunnel charge.
  Charges up() const;
  Charges down() const;
  // Whether its tunnel must end: the bytes are used up, and the quota says so. To be asked about
  // once a second, since bytes are charged when an account is looked at.
  bool exhausted(Instant now) const;

 private:
  friend class Quotas;
  struct Account;
  explicit QuotaShare(Account* account) : account_(account) {}
  Charges charges(SharedDebt Account::* bandwidth) const;

  Account* account_ = nullptr;
};

// Tunnels refused by one quota, by what there was no more of.
struct QuotaRefusals {
  uint64_t tunnels = 0;
  uint64_t setups = 0;
  uint64_t bytes = 0;
};

class Quotas {
 public:
  static constexpr size_t kStripes = 64;
  static constexpr size_t kIdleMax = 1024;
  // Retry-After is never longer: who is told to stay away for a day misses the reload that lets it
  // in.
  static constexpr Duration kRetryMax = std::chrono::hours(1);

  Quotas();
  ~Quotas();

  // A tunnel of `asker` is to be set up. Refused: kClientBusy, kClientBytes or kClientRate, in this
  // order; what is refused costs nothing. `list` is the configuration in force; an account whose
  // quota is in the next one goes on counting under its new limits, and owes as many set-ups and
  // bytes as it did.
  std::expected<QuotaShare, Denial> admit(const QuotaList& list, const policy::Asker& asker,
                                          Instant now);

  // By the name of the quota.
  std::map<std::string, QuotaRefusals> refused() const;
  size_t accounts() const;
  // Tunnels and set-ups that hold a share.
  uint64_t held() const;

 private:
  friend class QuotaShare;
  struct Stripe;

  std::unique_ptr<std::array<Stripe, kStripes>> stripes_;
  mutable std::mutex refused_mutex_;
  std::map<std::string, QuotaRefusals> refused_;  // guarded by refused_mutex_
};

}  // namespace penstock::admission
