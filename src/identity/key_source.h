// The keys of tokens as an issuer publishes them at a URL: when they are fetched, and what stands
// meanwhile. What was read once stands until something better has been read, however long that
// takes: an issuer that cannot be reached changes nothing.
//   fetched at once; then as often as the reply says (Cache-Control), between kRefreshMin and the
//     interval of the configuration
//   after a failure 1 s later, then after twice as long, up to kRetryMax
//   when a token names a key that is not there, at most once in kAskedPause, so that a client with
//     made-up names makes nobody fetch
// Thread: any; begin(), end() and due() one, news() one.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/time.h"
#include "fetch/fetcher.h"
#include "identity/checker.h"
#include "identity/key_set.h"
#include "identity/keyed_hash.h"

namespace penstock::identity {

struct Keys {
  Digest digest;  // of what they were read from: part of every answer's basis
  KeySet set;
};
using KeysPtr = std::shared_ptr<const Keys>;

class KeySource {
 public:
  static constexpr Duration kRefreshMin = std::chrono::minutes(1);
  static constexpr Duration kRetryMax = std::chrono::minutes(1);
  static constexpr Duration kAskedPause = std::chrono::seconds(10);

  struct Spec {
    std::string url;
    std::string ca;
    Duration refresh;
    Duration timeout;
    friend bool operator==(const Spec&, const Spec&) = default;
  };
  explicit KeySource(Spec spec) : spec_(std::move(spec)) {}

  const Spec& spec() const { return spec_; }

  KeysPtr keys() const;  // null: none have been read yet
  // Somebody needs a key that is not there. True: a fetch has begun or is due at once.
  bool awaits_more(Instant now);

  Instant due() const;  // kNever while it is being fetched
  fetch::Request begin();
  void end(const fetch::Outcome& outcome, Instant now);

  // What the log should say since it was asked last; of several, the last.
  std::optional<Checker::News> news();

  struct Facts {
    std::string url;
    size_t keys = 0;                // zero: none have been read yet
    std::optional<Duration> age{};  // since they were fetched, changed or not
    uint64_t fetched = 0;
    uint64_t failed = 0;
  };
  Facts facts(Instant now) const;

 private:
  void accept(KeysPtr keys, const fetch::Reply& reply, Instant now);
  void reject(const std::string& why, Instant now);

  const Spec spec_;
  mutable std::mutex mutex_;
  KeysPtr keys_;  // guarded by mutex_, as is all below
  bool running_ = false;
  Instant due_{};
  std::optional<Instant> asked_;
  Instant fetched_at_{};
  Duration pause_{};  // after the next failure
  uint64_t fetched_ = 0;
  uint64_t failed_ = 0;
  bool failing_ = false;
  std::optional<Checker::News> news_;
};
using KeySourcePtr = std::shared_ptr<KeySource>;

// A key set's text, or what is wrong with it.
std::expected<KeysPtr, std::string> read_keys(std::string_view text);

}  // namespace penstock::identity
