#include "plan/plan.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "admission/descriptors.h"
#include "base/check.h"
#include "plan/search.h"

namespace penstock::plan {
namespace {

constexpr double kGib = 1024.0 * 1024 * 1024;

// Rates and set-up times that are looked at; what lasts longer counts as endless.
constexpr double kRateMost = 1e8;
constexpr double kSetupMost = 1e5;

constexpr uint64_t kNofileLeast = 256;

Demand part_of(const Demand& demand, uint64_t instances) {
  return demand.at_rate(demand.rate / static_cast<double>(instances));
}

// Reading and writing come in turns about as long as a set-up's, so a worker that carries is one
// with more set-ups to do.
Queue queue_of(const Demand& part, uint64_t servers, double load) {
  return {.servers = servers,
          .load = load,
          .service = part.cpu_per_connect,
          .arrival_cv = part.arrival_cv,
          .service_cv = part.service_cv};
}

double ports_taken(const Demand& part, const Instance& one) {
  return part.rate / part.destinations *
         (part.setup_seconds + part.lifetime_seconds + one.time_wait_seconds);
}

uint64_t seats_of(uint64_t nofile, uint64_t workers) {
  return admission::descriptor_budget(nofile, workers).seats;
}

// Seats and permits, where nobody has set them, are what `auto` makes of the descriptors.
void complete(Instance& one, const Instance& limits) {
  if (limits.seats == 0) one.seats = seats_of(one.nofile, one.workers);
  if (limits.permits == 0) one.permits = admission::permits_for(one.seats);
}

// One of so many instances, with as much of everything as it could have. Workers are as many as it
// takes at once: more would be no help to anything, and want memory and descriptors.
Instance most_of(const Demand& demand, const Goal& goal, const Instance& limits,
                 uint64_t instances) {
  Instance one = limits;
  if (limits.workers == 0) {
    one.workers = least(1, kServersMax, [&](uint64_t workers) {
      one.workers = workers;
      return carries(Resource::kWorkers, demand, goal, one, instances);
    });
  }
  if (limits.nofile == 0) one.nofile = kNofileMost;
  if (limits.source_addresses == 0) one.source_addresses = kSourceAddressesMost;
  complete(one, limits);
  return one;
}

// The same with no more than it takes.
Instance least_of(const Demand& demand, const Goal& goal, const Instance& limits,
                  uint64_t instances) {
  Instance one = most_of(demand, goal, limits, instances);
  const auto holds = [&](Resource resource) {
    return carries(resource, demand, goal, one, instances);
  };
  if (limits.source_addresses == 0) {
    one.source_addresses = least(1, kSourceAddressesMost, [&](uint64_t addresses) {
      one.source_addresses = addresses;
      return holds(Resource::kPorts);
    });
  }
  if (limits.nofile == 0) {
    one.nofile = least(kNofileLeast, kNofileMost, [&](uint64_t nofile) {
      one.nofile = nofile;
      complete(one, limits);
      return holds(Resource::kSeats) && holds(Resource::kPermits);
    });
    // Nobody sets a limit of 61,397, and descriptors that are not used cost nothing.
    one.nofile = std::bit_ceil(one.nofile);
    complete(one, limits);
  }
  return one;
}

Reach reach_of(Resource resource, const Demand& demand, const Goal& goal, const Instance& one,
               uint64_t instances) {
  const auto all = static_cast<double>(instances);
  const Demand part = part_of(demand, instances);
  Reach reach{.resource = resource, .in_use = 0, .limit = 0, .rate_most = 0, .setup_most = 0};
  switch (resource) {
    case Resource::kWorkers:
      reach.in_use = demand.cpus();
      reach.limit = all * static_cast<double>(one.workers);
      break;
    case Resource::kPermits:
      reach.in_use = demand.pending();
      reach.limit = all * static_cast<double>(one.permits);
      break;
    case Resource::kSeats:
      reach.in_use = demand.connections();
      reach.limit = all * static_cast<double>(one.seats);
      break;
    case Resource::kPorts:
      reach.in_use = all * ports_taken(part, one);
      reach.limit = all * static_cast<double>(one.ports * one.source_addresses);
      break;
    case Resource::kMemory:
      reach.in_use = all * memory_of(part, one.workers);
      reach.limit = all * static_cast<double>(one.memory_bytes);
      break;
  }
  const auto up_to = [](double most, const auto& holds) {
    const double found = greatest(most, holds);
    return found >= most ? kEndless : found;
  };
  reach.rate_most = up_to(kRateMost, [&](double rate) {
    return carries(resource, demand.at_rate(rate), goal, one, instances);
  });
  reach.setup_most = up_to(kSetupMost, [&](double seconds) {
    Demand slower = demand;
    slower.setup_seconds = seconds;
    return carries(resource, slower, goal, one, instances);
  });
  return reach;
}

}  // namespace

std::string_view word(Resource resource) {
  switch (resource) {
    case Resource::kWorkers: return "workers";
    case Resource::kPermits: return "permits";
    case Resource::kSeats: return "seats";
    case Resource::kPorts: return "source ports";
    case Resource::kMemory: return "memory";
  }
  PENSTOCK_CHECK(false);
}

Demand Demand::at_rate(double new_rate) const {
  Demand out = *this;
  out.rate = new_rate;
  out.bytes_per_second = bytes_per_second * (new_rate / rate);
  return out;
}

double Demand::carry_cpus() const {
  return bytes_per_second / kGib * cpu_per_gib;
}

// A process that has just started, and a worker with its ring for log lines; an idle tunnel's user
// memory, and its two sockets in the kernel. Bytes on their way are a queue like any other: as many
// as come while one of them is acknowledged, for which a set-up's time stands.
double memory_of(const Demand& part, uint64_t workers) {
  constexpr double kProcess = 16.0 * 1024 * 1024, kWorker = 4.0 * 1024 * 1024;
  constexpr double kTunnel = 1024, kSockets = 2.0 * 4096;
  return kProcess + static_cast<double>(workers) * kWorker +
         part.connections() * (kTunnel + kSockets) + part.bytes_per_second * part.setup_seconds;
}

bool carries(Resource resource, const Demand& demand, const Goal& goal, const Instance& one,
             uint64_t instances) {
  const Demand part = part_of(demand, instances);
  switch (resource) {
    case Resource::kWorkers: {
      const double load = part.cpus() / static_cast<double>(one.workers);
      return goal.wait().met_by(queue_of(part, 1, load));
    }
    case Resource::kPermits: return poisson_at_least(part.pending(), one.permits) <= goal.blocking;
    case Resource::kSeats: return erlang_b(one.seats, part.connections()) <= goal.blocking;
    case Resource::kPorts:
      return erlang_b(one.ports * one.source_addresses, ports_taken(part, one)) <= goal.blocking;
    case Resource::kMemory:
      return one.memory_bytes == 0 ||
             memory_of(part, one.workers) <= static_cast<double>(one.memory_bytes);
  }
  PENSTOCK_CHECK(false);
}

Sizing assess(const Demand& demand, const Goal& goal, const Instance& one, uint64_t instances) {
  const Demand part = part_of(demand, instances);
  Sizing out;
  out.one = one;
  out.instances = instances;
  out.workers_pooled = servers_for_wait(queue_of(demand, 1, demand.cpus()), goal.wait());
  out.workers_apart = least(1, kServersMax, [&](uint64_t workers) {
    Instance whole = one;
    whole.workers = workers;
    return carries(Resource::kWorkers, demand, goal, whole, 1);
  });
  out.apart = queue_of(part, 1, part.cpus() / static_cast<double>(one.workers));
  out.pooled = queue_of(part, one.workers, part.cpus());
  out.permit_blocking = poisson_at_least(part.pending(), one.permits);
  out.seat_blocking = erlang_b(one.seats, part.connections());
  out.permits_least = poisson_quantile(part.pending(), goal.blocking) + 1;
  out.memory_bytes = memory_of(part, one.workers);
  for (const Resource resource : kResources) {
    if (resource == Resource::kMemory && one.memory_bytes == 0) continue;
    out.reaches.push_back(reach_of(resource, demand, goal, one, instances));
  }
  std::ranges::sort(out.reaches, {}, &Reach::rate_most);
  return out;
}

std::expected<Sizing, Unfit> plan(const Demand& demand, const Goal& goal, const Instance& limits) {
  uint64_t instances = 1;
  for (const Resource resource : kResources) {
    const auto fits = [&](uint64_t count) {
      return carries(resource, demand, goal, most_of(demand, goal, limits, count), count);
    };
    instances = least(instances, kInstancesMost, fits);
    if (!fits(instances)) return std::unexpected(resource);
  }
  return assess(demand, goal, least_of(demand, goal, limits, instances), instances);
}

}  // namespace penstock::plan
