// Names to addresses, on the loop: /etc/hosts, a cache, and c-ares behind both. One Resolver per
// worker. Questions for A and AAAA go out together; askers for the same name share one lookup.
//
// Thread: the loop's.   Lifetime: outlives the tasks it hands out.
// Limits: cache entries, lookups in flight and askers are bounded; past them: Code::kDnsBusy.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/ip.h"
#include "base/time.h"
#include "config/config.h"
#include "loop/loop.h"
#include "loop/task.h"

namespace penstock::dns {

struct Files {
  std::string hosts = "/etc/hosts";
  std::string resolv_conf = "/etc/resolv.conf";
};

struct Answer {
  std::vector<IpAddress> addresses;  // never empty; IPv6 and IPv4 each in the order received
  bool complete = true;              // false: the other family has not answered yet
  bool stale = false;                // the servers failed; this is what they last said
};

enum class Wanted : uint8_t {
  // As soon as one family has addresses and the other had the Resolution Delay of RFC 8305
  // section 3 (50 ms) to join it.
  kSoon,
  kComplete,  // both families, for a caller whose first answer led nowhere
};

struct ResolverCounts {
  uint64_t lookups = 0;    // sent to name servers
  uint64_t hits = 0;       // answered from cache or hosts file
  uint64_t coalesced = 0;  // joined a lookup in flight
  uint64_t stale = 0;      // answered with an expired entry because the servers failed
  uint64_t failures = 0;
  uint64_t entries = 0;    // in the cache now
  uint64_t in_flight = 0;  // lookups now
};

class Resolver {
 public:
  Resolver(loop::Loop& loop, const config::Dns& settings, config::Family family,
           const Files& files = {});
  ~Resolver();

  // `name` is canonical (http::canonical_name). Errors: kNoSuchName, kNoAddress, kDnsFailed,
  // kDnsTimeout (also when `deadline` passes first), kDnsBusy.
  loop::Task<Result<Answer>> resolve(std::string name, Wanted wanted, Instant deadline);

  // New settings after a reload; what is in flight is finished under the old ones, and the cache
  // is kept unless servers or search changed.
  void reconfigure(const config::Dns& settings, config::Family family);

  ResolverCounts counts() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace penstock::dns
