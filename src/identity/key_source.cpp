#include "identity/key_source.h"

#include <algorithm>
#include <utility>

namespace penstock::identity {
namespace {

constexpr Duration kFirstPause = std::chrono::seconds(1);

std::expected<KeysPtr, std::string> keys_in(const fetch::Outcome& outcome) {
  if (!outcome) return std::unexpected(outcome.error());
  if (outcome->status >= 300 && outcome->status < 400) {
    return std::unexpected("it redirects (" + std::to_string(outcome->status) +
                           "), which is not followed; write the URL that it leads to");
  }
  if (outcome->status != 200) {
    return std::unexpected("it answers " + std::to_string(outcome->status));
  }
  auto keys = read_keys(outcome->body);
  if (!keys) return std::unexpected("what it answers " + keys.error());
  return keys;
}

}  // namespace

std::expected<KeysPtr, std::string> read_keys(std::string_view text) {
  auto set = KeySet::parse(text);
  if (!set) return std::unexpected(set.error());
  return std::make_shared<const Keys>(Keys{sha256(text), std::move(*set)});
}

KeysPtr KeySource::keys() const {
  const std::lock_guard lock(mutex_);
  return keys_;
}

bool KeySource::awaits_more(Instant now) {
  const std::lock_guard lock(mutex_);
  if (running_ || due_ <= now) return true;
  if (asked_ && now - *asked_ < kAskedPause) return false;
  asked_ = now;
  due_ = now;
  return true;
}

Instant KeySource::due() const {
  const std::lock_guard lock(mutex_);
  return running_ ? kNever : due_;
}

fetch::Request KeySource::begin() {
  const std::lock_guard lock(mutex_);
  running_ = true;
  return {.url = spec_.url,
          .ca = spec_.ca,
          .wanted = {"cache-control", "age"},
          .bytes_max = kKeySetBytesMax,
          .timeout = spec_.timeout};
}

void KeySource::end(const fetch::Outcome& outcome, Instant now) {
  auto keys = keys_in(outcome);
  const std::lock_guard lock(mutex_);
  running_ = false;
  if (keys) {
    accept(std::move(*keys), *outcome, now);
  } else {
    reject(keys.error(), now);
  }
}

void KeySource::accept(KeysPtr keys, const fetch::Reply& reply, Instant now) {
  const Duration fresh = fetch::freshness(reply).value_or(std::chrono::hours(24));
  due_ = now + std::clamp(fresh, std::min(kRefreshMin, spec_.refresh), spec_.refresh);
  pause_ = kFirstPause;
  ++fetched_;
  fetched_at_ = now;
  const bool same = keys_ && keys_->digest == keys->digest;
  if (!same || failing_) {
    news_ = {true, spec_.url + " was read: " + std::to_string(keys->set.size()) + " keys" +
                       (same ? ", as before" : "")};
  }
  failing_ = false;
  if (!same) keys_ = std::move(keys);
}

void KeySource::reject(const std::string& why, Instant now) {
  pause_ = std::clamp(pause_, kFirstPause, std::min(kRetryMax, spec_.refresh));
  due_ = now + pause_;
  pause_ *= 2;
  ++failed_;
  failing_ = true;
  news_ = {false, spec_.url + ": " + why +
                      (keys_ ? "; the keys in force stay as they were"
                             : "; there are no keys yet, and no token is taken")};
}

std::optional<Checker::News> KeySource::news() {
  const std::lock_guard lock(mutex_);
  return std::exchange(news_, std::nullopt);
}

KeySource::Facts KeySource::facts(Instant now) const {
  const std::lock_guard lock(mutex_);
  Facts out{.url = spec_.url, .fetched = fetched_, .failed = failed_};
  if (keys_) {
    out.keys = keys_->set.size();
    out.age = now - fetched_at_;
  }
  return out;
}

}  // namespace penstock::identity
