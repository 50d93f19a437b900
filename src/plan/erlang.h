// How long work waits for one of c servers, and how often it finds none: the formulas behind a
// plan.
//
//   offered load a = arrivals per second x mean time that a server is held, in Erlang
//   Erlang B       a loss system: who finds all c servers held is sent away
//   Erlang C       a queue: who finds all c servers busy waits for the first that is free (M/M/c)
//   Allen-Cunneen  the same queue when arrivals or services vary more or less than exponential ones
//                  (M/G/c, G/G/c): waits are scaled by (cv_arrival^2 + cv_service^2) / 2
//
// Sources: A. K. Erlang, "Solution of some problems in the theory of probabilities of significance
// in automatic telephone exchanges" (1917); L. Kleinrock, Queueing Systems vol. 1 (1975), sections
// 3.5 and 3.6; A. O. Allen, Probability, Statistics, and Queueing Theory (2nd ed., 1990), section
// 5.6, which gives the approximation of Allen and Cunneen.
//
// Accuracy: 1e-11 relative up to 100,000 servers (erlang_test.cpp has the 50-digit reference). Each
// step of the recursion shrinks the relative error of the one before, so none can grow.
// Cost: of erlang_b, 12 sqrt(n) divisions, where n is the lesser of servers and load, and one for
// each server beyond the load until the result is 0.
// Pure.
#pragma once

#include <cstdint>
#include <limits>

namespace penstock::plan {

// A wait without an end.
inline constexpr double kEndless = std::numeric_limits<double>::infinity();

// No system here has more servers, and no load is greater.
inline constexpr uint64_t kServersMax = 1'000'000'000;

// The share of arrivals that find all servers held. It depends on the mean holding time alone,
// however that varies. 1 without servers, 0 without load.
double erlang_b(uint64_t servers, double load);

// The share of arrivals that have to wait; 1 if the load is not below the servers.
double erlang_c(uint64_t servers, double load);

// A queue in front of servers, first come, first served. Times are in seconds, or in whatever the
// service time is in.
struct Queue {
  uint64_t servers = 1;
  double load = 0;        // Erlang
  double service = 0;     // mean time of one service
  double arrival_cv = 1;  // coefficient of variation of the gaps; 1: Poisson
  double service_cv = 1;  // of the service times; 1: exponential, 0: all alike

  bool stable() const { return load < static_cast<double>(servers); }
  double utilisation() const { return load / static_cast<double>(servers); }

  // Exact where both cv are 1. Otherwise an approximation, and the wait of those who wait is taken
  // to be exponential. Infinite where the queue is not stable.
  double wait_probability() const { return erlang_c(servers, load); }
  double mean_wait() const;
  double wait_beyond(double time) const;       // P(wait > time)
  double wait_percentile(double share) const;  // what this share (0 to 1) of all waits at most

 private:
  // How fast the waits of those who wait end: they are exponential with this rate.
  double relief() const;
};

// The inverse questions. Targets are shares, greater than 0 and less than 1.

// The least number of servers that lose at most this share of a load.
uint64_t servers_for_blocking(double load, double blocking);
// The greatest load of which these servers lose at most this share.
double load_for_blocking(uint64_t servers, double blocking);

// The share of arrivals that may wait longer than a time.
struct WaitTarget {
  double share = 0.01;
  double time = 0;

  bool met_by(const Queue& queue) const { return queue.wait_beyond(time) <= share; }
};
// The least number of servers with which `queue`, at its load, meets the target.
uint64_t servers_for_wait(Queue queue, const WaitTarget& target);
// The greatest load at which `queue`, with its servers, meets the target.
double load_for_wait(Queue queue, const WaitTarget& target);

// P(N >= n) for a Poisson count of this mean: how many are in a system that nobody is sent away
// from.
double poisson_at_least(double mean, uint64_t n);
// The least n that the count exceeds with at most this probability.
uint64_t poisson_quantile(double mean, double excess);

}  // namespace penstock::plan
