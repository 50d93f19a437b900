#include "dns/resolver.h"

#include <algorithm>
#include <array>
#include <unordered_map>

#include "base/list.h"
#include "dns/cache.h"
#include "dns/channel.h"
#include "dns/followed_file.h"
#include "dns/hosts.h"
#include "dns/message.h"
#include "dns/name_hash.h"
#include "dns/resolv_conf.h"

namespace penstock::dns {
namespace {

// RFC 8305 section 3.
constexpr Duration kResolutionDelay = std::chrono::milliseconds(50);
// A lookup ends by then, whoever still waits; queueing for a channel included.
constexpr Duration kLookupMax = std::chrono::seconds(5);
constexpr size_t kLookupsMax = 1024;

constexpr std::array kTypes = {RecordType::kAaaa, RecordType::kA};  // the order of an Answer

bool wants(config::Family family, RecordType type) {
  switch (family) {
    case config::Family::kAny: return true;
    case config::Family::kV4: return type == RecordType::kA;
    case config::Family::kV6: return type == RecordType::kAaaa;
  }
  return false;
}

Lifetimes lifetimes_of(const config::Dns& settings) {
  return {.min_ttl = settings.min_ttl,
          .max_ttl = settings.max_ttl,
          .negative_ttl = settings.negative_ttl,
          .stale = settings.stale};
}

std::string key_of(std::string_view name, RecordType type) {
  return std::string(name) + (type == RecordType::kA ? "/4" : "/6");
}

Outcome outcome_of(const Reply& reply) {
  Outcome outcome;
  switch (reply.finding) {
    case Finding::kAddresses: outcome.knowledge = Knowledge::kAddresses; break;
    case Finding::kNoSuchName: outcome.knowledge = Knowledge::kNoSuchName; break;
    case Finding::kNoAddress: outcome.knowledge = Knowledge::kNoAddress; break;
    case Finding::kFailed: outcome.knowledge = Knowledge::kFailed; break;
  }
  outcome.addresses = reply.addresses;
  return outcome;
}

Outcome failed(Code code) {
  Outcome outcome;
  outcome.knowledge = Knowledge::kFailed;
  outcome.failure = code;
  return outcome;
}

// One asker's place at the lookup of one family.
struct Seat : ListNode {
  Outcome outcome;
  loop::Event* news = nullptr;
};
using Seats = std::array<Seat, kTypes.size()>;

struct Lookup {
  std::string name;
  RecordType type;
  uint64_t generation;
  List<Seat> seats;
};

bool any(const Seats& seats, Knowledge knowledge) {
  return std::ranges::any_of(seats,
                             [=](const Seat& seat) { return seat.outcome.knowledge == knowledge; });
}

// Why there is no address. The least certain family decides: a name does not "not exist" because
// one of two servers was silent.
Code reason(const Seats& seats) {
  Code code = Code::kNoSuchName;
  for (const Seat& seat : seats) {
    switch (seat.outcome.knowledge) {
      case Knowledge::kUnknown: return Code::kDnsTimeout;
      case Knowledge::kFailed: return seat.outcome.failure;
      // One family says "no such name", the other "no address": some servers answer AAAA wrongly.
      case Knowledge::kNoAddress: code = Code::kNoAddress; break;
      default: break;
    }
  }
  return code;
}

Result<Answer> combine(const Seats& seats) {
  Answer answer;
  answer.complete = !any(seats, Knowledge::kUnknown);
  for (const Seat& seat : seats) {
    const Outcome& outcome = seat.outcome;
    answer.stale = answer.stale || outcome.stale;
    answer.addresses.insert(answer.addresses.end(), outcome.addresses.begin(),
                            outcome.addresses.end());
  }
  if (answer.addresses.empty()) return fail(reason(seats));
  return answer;
}

}  // namespace

struct Resolver::State {
  State(loop::Loop& the_loop, const config::Dns& dns, config::Family wanted, const Files& files)
      : loop(the_loop),
        settings(dns),
        family(wanted),
        hosts_file(files.hosts, kHostsBytes),
        resolv_conf_file(files.resolv_conf, kResolvConfBytes),
        cache(dns.cache_entries, lifetimes_of(dns)),
        pool(the_loop) {}

  loop::Task<Result<Answer>> resolve(std::string name, Wanted wanted, Instant deadline);
  loop::Task<Result<Answer>> resolve_absolute(std::string name, Wanted wanted, Instant deadline);
  std::optional<Result<Answer>> answer_locally(const std::string& name) const;
  Result<Answer> filtered(const std::vector<IpAddress>& addresses) const;

  void take_seats(const std::string& name, Seats& seats, loop::Event& news);
  void join(const std::string& name, RecordType type, Seat& seat);
  loop::RootTask look_up(std::shared_ptr<Lookup> lookup);
  loop::Task<Outcome> query(Lookup& lookup);
  void deliver(Lookup& lookup, const Outcome& outcome);
  void let_stale_stand_in(const std::string& name, Seats& seats, bool in_time);

  void follow_files();
  void choose_servers();

  loop::Loop& loop;
  config::Dns settings;
  config::Family family;
  FollowedFile hosts_file;
  FollowedFile resolv_conf_file;
  Hosts hosts;
  ResolvConf resolv_conf;
  Servers servers;
  // Of servers and search list: a lookup of another generation has no heirs.
  uint64_t generation = 0;
  Cache cache;
  ChannelPool pool;
  std::unordered_map<std::string, std::shared_ptr<Lookup>, NameHash, std::equal_to<>> in_flight;
  ResolverCounts counts;
  loop::TaskSet tasks;  // last: ends first
};

Resolver::Resolver(loop::Loop& loop, const config::Dns& settings, config::Family family,
                   const Files& files)
    : state_(std::make_unique<State>(loop, settings, family, files)) {
  state_->follow_files();
}

Resolver::~Resolver() = default;

loop::Task<Result<Answer>> Resolver::resolve(std::string name, Wanted wanted, Instant deadline) {
  return state_->resolve(std::move(name), wanted, deadline);
}

ResolverCounts Resolver::counts() const {
  ResolverCounts counts = state_->counts;
  counts.entries = state_->cache.size();
  return counts;
}

void Resolver::reconfigure(const config::Dns& settings, config::Family family) {
  State& state = *state_;
  const bool other_names = state.settings.search != settings.search;
  state.settings = settings;
  state.family = family;
  state.cache.resize(settings.cache_entries, lifetimes_of(settings));
  if (other_names) state.cache.clear();
  state.choose_servers();
}

void Resolver::State::follow_files() {
  if (const auto text = hosts_file.changed(loop.now())) hosts = Hosts::parse(*text);
  if (const auto text = resolv_conf_file.changed(loop.now())) {
    resolv_conf = ResolvConf::parse(*text);
    choose_servers();
  }
}

// Other servers may know other addresses for the same names (a VPN came up): what the old ones
// said is forgotten, and nobody joins a question that is still put to them.
void Resolver::State::choose_servers() {
  Servers chosen{.endpoints = settings.servers, .attempts = resolv_conf.attempts};
  if (chosen.endpoints.empty()) chosen.endpoints = resolv_conf.servers;
  if (chosen.endpoints.size() > kServersMax) chosen.endpoints.resize(kServersMax);
  if (chosen == servers) return;
  servers = chosen;
  pool.use(std::move(chosen));
  cache.clear();
  in_flight.clear();
  ++generation;
}

loop::Task<Result<Answer>> Resolver::State::resolve(std::string name, Wanted wanted,
                                                    Instant deadline) {
  if (name.empty() || name.size() > kNameMax) co_return fail(Code::kNoSuchName);
  follow_files();
  if (auto answer = answer_locally(name)) {
    ++counts.hits;
    co_return *std::move(answer);
  }
  if (!settings.search) co_return co_await resolve_absolute(std::move(name), wanted, deadline);

  const std::vector<std::string> candidates = resolv_conf.candidates(name);
  Code last = Code::kNoSuchName;
  for (const std::string& candidate : candidates) {
    auto answer = co_await resolve_absolute(candidate, wanted, deadline);
    if (answer) co_return answer;
    // Only a server's "no" leads on: silence must not turn one name into another.
    const Code code = answer.error().code;
    if (code != Code::kNoSuchName && code != Code::kNoAddress) co_return answer;
    if (code == Code::kNoAddress) last = code;
  }
  co_return fail(last);
}

std::optional<Result<Answer>> Resolver::State::answer_locally(const std::string& name) const {
  if (const auto* addresses = hosts.find(name)) return filtered(*addresses);
  if (!is_localhost(name)) return std::nullopt;
  IpAddress v6;
  v6.v6 = true;
  v6.bytes[15] = 1;
  return filtered({v6, IpAddress::from_v4(127, 0, 0, 1)});
}

Result<Answer> Resolver::State::filtered(const std::vector<IpAddress>& addresses) const {
  Answer answer;
  for (const RecordType type : kTypes) {
    if (!wants(family, type)) continue;
    std::ranges::copy_if(addresses, std::back_inserter(answer.addresses), [=](const auto& address) {
      return address.v6 == (type == RecordType::kAaaa);
    });
  }
  if (answer.addresses.empty()) return fail(Code::kNoAddress);
  return answer;
}

loop::Task<Result<Answer>> Resolver::State::resolve_absolute(std::string name, Wanted wanted,
                                                             Instant deadline) {
  loop::Event news(loop);
  Seats seats;
  take_seats(name, seats, news);
  loop::Timer timer(loop);
  Instant soon = kNever;
  while (any(seats, Knowledge::kUnknown)) {
    const Instant now = loop.now();
    if (now >= deadline || now >= soon) break;
    if (wanted == Wanted::kSoon && soon == kNever && any(seats, Knowledge::kAddresses)) {
      soon = now + kResolutionDelay;
    }
    timer.arm(std::min(deadline, soon));
    co_await news.wait(timer);
  }
  let_stale_stand_in(name, seats, loop.now() < deadline);
  auto answer = combine(seats);
  if (answer && answer->stale) ++counts.stale;
  co_return answer;
}

// What the cache knows, and a seat at the lookup of what it does not.
void Resolver::State::take_seats(const std::string& name, Seats& seats, loop::Event& news) {
  for (size_t i = 0; i < seats.size(); ++i) {
    seats[i].news = &news;
    if (wants(family, kTypes[i])) {
      seats[i].outcome = cache.find(name, kTypes[i], loop.now());
    } else {
      seats[i].outcome.knowledge = Knowledge::kNotAsked;
    }
  }
  if (!any(seats, Knowledge::kUnknown)) ++counts.hits;
  for (size_t i = 0; i < seats.size(); ++i) {
    if (seats[i].outcome.knowledge == Knowledge::kUnknown) join(name, kTypes[i], seats[i]);
  }
}

void Resolver::State::join(const std::string& name, RecordType type, Seat& seat) {
  std::string key = key_of(name, type);
  if (const auto found = in_flight.find(key); found != in_flight.end()) {
    ++counts.coalesced;
    found->second->seats.push_back(seat);
    return;
  }
  if (counts.in_flight >= kLookupsMax) {
    seat.outcome = failed(Code::kDnsBusy);
    return;
  }
  auto lookup = std::make_shared<Lookup>();
  lookup->name = name;
  lookup->type = type;
  lookup->generation = generation;
  lookup->seats.push_back(seat);
  in_flight.emplace(std::move(key), lookup);
  ++counts.lookups;
  tasks.start(look_up(std::move(lookup)));
}

// Runs to its end even if every asker has left: the answer is what the next one will ask for.
loop::RootTask Resolver::State::look_up(std::shared_ptr<Lookup> lookup) {
  ++counts.in_flight;
  const Outcome outcome = co_await query(*lookup);
  --counts.in_flight;
  deliver(*lookup, outcome);
}

loop::Task<Outcome> Resolver::State::query(Lookup& lookup) {
  uint16_t id;
  fill_random(&id, sizeof id);
  Message question = encode_query(lookup.name, lookup.type, id);
  const auto message = co_await pool.ask(std::move(question), loop.now() + kLookupMax);
  const bool current = lookup.generation == generation;
  Code code = Code::kDnsFailed;
  if (message) {
    const Reply reply = read_reply(*message, lookup.name, lookup.type);
    if (reply.finding != Finding::kFailed) {
      if (current) cache.store(lookup.name, lookup.type, reply, loop.now());
      co_return outcome_of(reply);
    }
  } else {
    code = message.error().code;
  }
  ++counts.failures;
  if (current) cache.store_failure(lookup.name, lookup.type, code, loop.now());
  co_return failed(code);
}

void Resolver::State::deliver(Lookup& lookup, const Outcome& outcome) {
  lookup.seats.for_each([&](Seat& seat) {
    seat.unlink();
    seat.outcome = outcome;
    seat.news->notify_all();
  });
  if (lookup.generation == generation) in_flight.erase(key_of(lookup.name, lookup.type));
}

// Where the servers failed, or did not answer before the asker's time was up, what they last said
// is better than nothing.
void Resolver::State::let_stale_stand_in(const std::string& name, Seats& seats, bool in_time) {
  for (size_t i = 0; i < seats.size(); ++i) {
    const Knowledge knowledge = seats[i].outcome.knowledge;
    const bool wanting =
        knowledge == Knowledge::kFailed || (knowledge == Knowledge::kUnknown && !in_time);
    if (!wanting) continue;
    Outcome stale = cache.find_stale(name, kTypes[i], loop.now());
    if (stale.knowledge == Knowledge::kAddresses) seats[i].outcome = std::move(stale);
  }
}

}  // namespace penstock::dns
