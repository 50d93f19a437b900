// What a load needs, and what of it runs out first.
//
// A set-up holds a permit for W seconds and nobody is sent away before the permits are used up, so
// the number pending is a Poisson count around L = rate x W (Little's law). A seat is held from
// accept to settle, and who finds none is refused at once: a loss system, Erlang B, whatever the
// distribution of lifetimes. Source ports are one as well, per destination, and stay taken for
// TIME_WAIT. CPU is a queue: what arrives while a worker is busy waits its turn.
//
// Pure.   Cost: some hundred thousand divisions, a few milliseconds.
// Limits: what is asked for must be possible to write down: rates, times and counts are positive.
#pragma once

#include <cstdint>
#include <expected>
#include <string_view>
#include <vector>

#include "plan/erlang.h"

namespace penstock::plan {

// The load. Times in seconds.
struct Demand {
  double rate = 0;              // set-ups per second
  double setup_seconds = 0;     // W: resolve and dial
  double lifetime_seconds = 0;  // of an established tunnel
  double cpu_per_connect = 0;   // seconds of a CPU
  double bytes_per_second = 0;  // carried, both directions together
  double cpu_per_gib = 0;       // seconds of a CPU
  double arrival_cv = 1;        // of the gaps between set-ups
  double service_cv = 1;        // of the CPU time of a set-up
  double destinations = 1;      // address and port, each with its even share of the load

  // The same tunnels, more or fewer of them.
  Demand at_rate(double new_rate) const;

  double pending() const { return rate * setup_seconds; }                           // L
  double connections() const { return rate * (setup_seconds + lifetime_seconds); }  // seats
  double connect_cpus() const { return rate * cpu_per_connect; }                    // Erlang
  double carry_cpus() const;
  double cpus() const { return connect_cpus() + carry_cpus(); }
};

// What is good enough.
struct Goal {
  double percentile = 0.99;  // this share of all set-ups waits for a worker
  double max_wait = 1e-3;    // at most so long
  double blocking = 1e-4;    // the share that finds no permit, no seat or no source port

  WaitTarget wait() const { return {.share = 1 - percentile, .time = max_wait}; }
};

// One proxy process and what it may use. 0: not given; plan() says what it takes. Memory that is
// not given is not limited.
struct Instance {
  uint64_t workers = 0;
  uint64_t nofile = 0;  // RLIMIT_NOFILE, from which the seats follow
  uint64_t seats = 0;
  uint64_t permits = 0;  // `limits.pending`
  uint64_t source_addresses = 0;
  uint64_t memory_bytes = 0;
  uint64_t ports = 28'232;        // per source address and destination: ip_local_port_range
  double time_wait_seconds = 60;  // how long a port stays taken when its tunnel has ended
};

// Without a limit of its own an instance has no more descriptors than Linux lets a process have
// (fs.nr_open), nor more addresses than are pleasant to look after.
inline constexpr uint64_t kNofileMost = 1'048'576;
inline constexpr uint64_t kSourceAddressesMost = 256;
inline constexpr uint64_t kInstancesMost = 10'000;

enum class Resource : uint8_t { kWorkers, kPermits, kSeats, kPorts, kMemory };
inline constexpr Resource kResources[] = {Resource::kWorkers, Resource::kPermits, Resource::kSeats,
                                          Resource::kPorts, Resource::kMemory};
std::string_view word(
    Resource resource);  // "workers", "permits", "seats", "source ports", "memory"

// How far a resource reaches, over all instances.
struct Reach {
  Resource resource;
  double in_use;     // on average
  double limit;      // there is so much of it
  double rate_most;  // set-ups per second that it carries within the goal
  // The longest set-up time that it carries at the rate of the demand. Infinite where set-up time
  // makes no difference.
  double setup_most;
};

struct Sizing {
  Instance one;            // complete
  uint64_t instances = 0;  // that carry the load; run one more, so that one may fail
  // How many workers the whole load needs if each has a queue of its own, which is how it is, and
  // if all had one queue, which is the least that any way of sharing could need.
  uint64_t workers_apart = 0;
  uint64_t workers_pooled = 0;
  // The queue in front of a worker of one instance, and that of an instance whose workers share
  // one.
  Queue apart;
  Queue pooled;
  double permit_blocking = 0;  // the share of set-ups that finds every permit taken
  double seat_blocking = 0;    // and every seat
  double memory_bytes = 0;     // that one instance takes, on average
  uint64_t permits_least = 0;  // permits that would do for the blocking of the goal
  std::vector<Reach> reaches;  // what a rising rate exhausts first stands first
};

// What does not fit even kInstancesMost instances with the limits given.
using Unfit = Resource;

// Fills in what `limits` leaves open and says how many such instances it takes.
std::expected<Sizing, Unfit> plan(const Demand& demand, const Goal& goal, const Instance& limits);
// The same figures for instances that are there, whether or not they are enough. `one` is complete.
Sizing assess(const Demand& demand, const Goal& goal, const Instance& one, uint64_t instances);

// Whether each of `instances` can carry its part of the demand. `one` is complete.
bool carries(Resource resource, const Demand& demand, const Goal& goal, const Instance& one,
             uint64_t instances);

// Of one instance with these connections (estimates; docs/capacity.md has what they rest on).
double memory_of(const Demand& part, uint64_t workers);

}  // namespace penstock::plan
