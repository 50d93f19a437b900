// Credentials that were found right lately, by keyed hash: neither they nor anything that they can
// be guessed from without the key.
// Thread: any.   Cost: a short lock and one look-up.   Limits: kEntriesMax; past that the oldest
// goes.
#pragma once

#include <mutex>
#include <unordered_map>

#include "base/list.h"
#include "base/time.h"
#include "identity/identity.h"
#include "identity/keyed_hash.h"

namespace penstock::identity {

struct DigestHash {
  size_t operator()(const Digest& digest) const;  // a part of it: it is as good as random
};

class Verified {
 public:
  static constexpr size_t kEntriesMax = 16'384;

  // Null: not known, or no longer believed.
  IdentityPtr find(const Digest& credentials, Instant now);
  void add(const Digest& credentials, IdentityPtr who, Instant until);

  size_t size() const;

 private:
  struct Entry : ListNode {
    const Digest* credentials = nullptr;
    IdentityPtr who;
    Instant until{};
  };
  void forget(Entry& entry);

  mutable std::mutex mutex_;
  std::unordered_map<Digest, Entry, DigestHash> entries_;  // guarded by mutex_, as is
  List<Entry> oldest_first_;
};

}  // namespace penstock::identity
