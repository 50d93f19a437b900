#include "admission/quotas.h"

#include <algorithm>
#include <optional>
#include <unordered_map>

#include "admission/client.h"
#include "base/check.h"
#include "base/list.h"

namespace penstock::admission {
namespace {

// Idle accounts that each newcomer looks at: two leave for one that comes.
constexpr int kSweptAtOnce = 2;
// Among so many it is chosen which one is forgotten before it has paid.
constexpr int kChosenAmong = 8;
// The mean time between ends is of the last minutes, not of all time.
constexpr Duration kEndsRemembered = std::chrono::minutes(5);

// Whose account it is: of client and identity only what the quota counts by.
template <class Text>
struct Holder {
  Text quota;
  Text identity;
  IpAddress client;
};
using HolderView = Holder<std::string_view>;

HolderView holder_of(const Quota& quota, const policy::Asker& asker) {
  HolderView out{quota.name, {}, {}};
  if (quota.each == Each::kClient) out.client = accountable(asker.client);
  if (quota.each == Each::kIdentity) out.identity = asker.identity;
  return out;
}

// For look-ups by views, which allocate nothing.
struct HolderHash {
  using is_transparent = void;
  template <class Text>
  size_t operator()(const Holder<Text>& holder) const {
    const std::hash<std::string_view> of_text;
    const uint64_t text = of_text(holder.quota) + 31 * of_text(holder.identity);
    return (text ^ std::hash<IpAddress>()(holder.client)) * 0x9e3779b97f4a7c15ull;
  }
};
struct HolderEqual {
  using is_transparent = void;
  template <class A, class B>
  bool operator()(const Holder<A>& a, const Holder<B>& b) const {
    return a.client == b.client && a.identity == b.identity && a.quota == b.quota;
  }
};

Denial denial(Code code, Duration retry_after) {
  return {Error{code}, std::min(retry_after, Quotas::kRetryMax), std::nullopt};
}

// `paid_at` under another rate, so that as much is owed as before; a rate that comes or goes begins
// anew.
Instant carried_over(Instant paid_at, Instant now, const Ration& from, const Ration& to) {
  if (from == to) return paid_at;
  if (!from || !to) return {};
  return now + gcra::rescaled(std::max(paid_at - now, Duration::zero()), from, to);
}

}  // namespace

// What a holder has. Guarded by its stripe's mutex but for what is atomic.
struct QuotaShare::Account : ListNode {
  Quotas::Stripe* stripe = nullptr;
  const Holder<std::string>* holder = nullptr;
  QuotaLimits limits;
  uint64_t tunnels = 0;
  uint64_t ends = 0;  // of tunnels, since then
  Instant ends_since{};
  Instant setups_paid_at{};
  Instant bytes_paid_at{};
  std::atomic<uint64_t> bytes{0};  // moved since they were last charged
  SharedDebt up;
  SharedDebt down;

  void adopt(const QuotaLimits& next, Instant now) {
    charge_bytes(now);
    setups_paid_at = carried_over(setups_paid_at, now, limits.setups, next.setups);
    bytes_paid_at = carried_over(bytes_paid_at, now, limits.bytes, next.bytes);
    limits = next;
  }
  void charge_bytes(Instant now) {
    const uint64_t moved = bytes.exchange(0, std::memory_order_relaxed);
    if (moved != 0 && limits.bytes) {
      bytes_paid_at = Gcra(limits.bytes, limits.bytes.per).spend(bytes_paid_at, now, moved);
    }
  }
  bool used_up_bytes(Instant now) const {
    return limits.bytes && !Gcra(limits.bytes, limits.bytes.per).affords(bytes_paid_at, now, 1);
  }
  bool ever_owed() const {
    return bytes.load(std::memory_order_relaxed) != 0 || paid_at() != Instant{};
  }
  Instant paid_at() const {
    return std::max({setups_paid_at, bytes_paid_at, up.paid_at(), down.paid_at()});
  }
  // A tunnel must end before there is room for another: as often as they did of late.
  Duration until_one_ends(Instant now) const {
    return (now - ends_since) / static_cast<int64_t>(std::max<uint64_t>(ends, 1));
  }
  void age(Instant now) {
    if (now - ends_since < kEndsRemembered) return;
    ends_since = now - (now - ends_since) / 2;
    ends /= 2;
  }
  std::optional<Denial> refuse(Instant now) const;
};

struct Quotas::Stripe {
  using Account = QuotaShare::Account;

  mutable std::mutex mutex;
  std::unordered_map<Holder<std::string>, Account, HolderHash, HolderEqual> accounts;
  List<Account> idle;  // those without a tunnel that owe
  size_t idle_count = 0;

  Account& open(const HolderView& view, Instant now) {
    auto found = accounts.find(view);
    if (found == accounts.end()) {
      found =
          accounts.try_emplace({std::string(view.quota), std::string(view.identity), view.client})
              .first;
      found->second.stripe = this;
      found->second.holder = &found->first;
      found->second.ends_since = now;
    }
    return found->second;
  }
  void wake(Account& account) {
    if (!account.linked()) return;
    account.unlink();
    --idle_count;
  }
  // It holds no tunnel.
  void rest(Account& account) {
    wake(account);
    if (!account.ever_owed()) return forget(account);
    idle.push_back(account);
    if (++idle_count > kIdleMax) forget_one();
  }
  void forget(Account& account) {
    wake(account);
    accounts.erase(accounts.find(*account.holder));
  }
  // Those that still owe go to the end, so that all are looked at in turn.
  void sweep(Instant now) {
    for (int i = 0; i < kSweptAtOnce && !idle.empty(); ++i) {
      Account& first = idle.front();
      first.charge_bytes(now);
      if (first.paid_at() <= now) {
        forget(first);
      } else {
        idle.push_back(first);
      }
    }
  }
  void forget_one() {
    Account* least = &idle.front();
    for (int i = 0; i < kChosenAmong; ++i) {
      Account& next = idle.front();
      if (next.paid_at() < least->paid_at()) least = &next;
      idle.push_back(next);
    }
    forget(*least);
  }
};

std::optional<Denial> QuotaShare::Account::refuse(Instant now) const {
  if (limits.tunnels != 0 && tunnels >= limits.tunnels) {
    return denial(Code::kClientBusy, until_one_ends(now));
  }
  if (used_up_bytes(now)) {
    const Gcra rule(limits.bytes, limits.bytes.per);
    return denial(Code::kClientBytes, rule.affords_at(bytes_paid_at, 1) - now);
  }
  if (limits.setups) {
    const Gcra rule(limits.setups, limits.burst);
    if (!rule.affords(setups_paid_at, now, 1)) {
      return denial(Code::kClientRate, rule.affords_at(setups_paid_at, 1) - now);
    }
  }
  return std::nullopt;
}

QuotaShare::~QuotaShare() {
  if (account_ == nullptr) return;
  Quotas::Stripe& stripe = *account_->stripe;
  const std::lock_guard lock(stripe.mutex);
  PENSTOCK_CHECK(account_->tunnels > 0);
  ++account_->ends;
  if (--account_->tunnels == 0) stripe.rest(*account_);
}

std::string_view QuotaShare::quota() const {
  return account_->holder->quota;
}
Charges QuotaShare::up() const {
  return charges(&Account::up);
}
Charges QuotaShare::down() const {
  return charges(&Account::down);
}

Charges QuotaShare::charges(SharedDebt Account::* bandwidth) const {
  Charges out;
  if (account_ == nullptr) return out;
  const std::lock_guard lock(account_->stripe->mutex);
  const QuotaLimits& limits = account_->limits;
  if (limits.bandwidth != 0) out.bandwidth = &(account_->*bandwidth);
  out.bytes_per_second = limits.bandwidth;
  if (limits.bytes) out.bytes = &account_->bytes;
  return out;
}

bool QuotaShare::exhausted(Instant now) const {
  if (account_ == nullptr) return false;
  const std::lock_guard lock(account_->stripe->mutex);
  account_->charge_bytes(now);
  return account_->limits.bytes_end_tunnels && account_->used_up_bytes(now);
}

Quotas::Quotas() : stripes_(std::make_unique<std::array<Stripe, kStripes>>()) {}
Quotas::~Quotas() = default;

std::expected<QuotaShare, Denial> Quotas::admit(const QuotaList& list, const policy::Asker& asker,
                                                Instant now) {
  const Quota* quota = list.find(asker);
  if (quota == nullptr) return QuotaShare();
  const HolderView holder = holder_of(*quota, asker);
  Stripe& stripe = (*stripes_)[HolderHash()(holder) >> 58];
  std::optional<Denial> denial;
  {
    const std::lock_guard lock(stripe.mutex);
    stripe.sweep(now);
    QuotaShare::Account& account = stripe.open(holder, now);
    account.adopt(quota->limits, now);
    account.age(now);
    denial = account.refuse(now);
    if (!denial) {
      if (account.limits.setups) {
        account.setups_paid_at =
            Gcra(account.limits.setups, account.limits.burst).spend(account.setups_paid_at, now, 1);
      }
      stripe.wake(account);
      ++account.tunnels;
      return QuotaShare(&account);
    }
  }
  const std::lock_guard lock(refused_mutex_);
  QuotaRefusals& refused = refused_[quota->name];
  if (denial->error.code == Code::kClientBusy) ++refused.tunnels;
  if (denial->error.code == Code::kClientBytes) ++refused.bytes;
  if (denial->error.code == Code::kClientRate) ++refused.setups;
  return std::unexpected(*denial);
}

std::map<std::string, QuotaRefusals> Quotas::refused() const {
  const std::lock_guard lock(refused_mutex_);
  return refused_;
}

size_t Quotas::accounts() const {
  size_t sum = 0;
  for (const Stripe& stripe : *stripes_) {
    const std::lock_guard lock(stripe.mutex);
    sum += stripe.accounts.size();
  }
  return sum;
}

uint64_t Quotas::held() const {
  uint64_t sum = 0;
  for (const Stripe& stripe : *stripes_) {
    const std::lock_guard lock(stripe.mutex);
    for (const auto& [holder, account] : stripe.accounts) sum += account.tunnels;
  }
  return sum;
}

}  // namespace penstock::admission
