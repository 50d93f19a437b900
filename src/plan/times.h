// Where a simulation draws gaps and service times from: a distribution, or what was recorded.
// Pure; the same seed draws the same times.
#pragma once

#include <cstddef>
#include <vector>

#include "base/random.h"

namespace penstock::plan {

class Times {
 public:
  static Times exponential(double mean);
  // As durations of set-ups mostly are: many short ones, and a tail. cv > 0.
  static Times lognormal(double mean, double cv);
  // One of these at a time, at random: the distribution stays, its order does not.
  static Times recorded(std::vector<double> times);
  // These, one after the other, and again from the first: bursts stay.
  static Times replayed(std::vector<double> times);

  double draw(Random& random);
  double mean() const { return mean_; }
  double cv() const { return cv_; }

  // The same distribution with another mean.
  Times scaled_to(double mean) const;

 private:
  enum class Shape : unsigned char { kExponential, kLognormal, kRecorded, kReplayed };

  Times(Shape shape, double mean, double cv) : shape_(shape), mean_(mean), cv_(cv) {}
  static Times of_record(Shape shape, std::vector<double> times);

  Shape shape_;
  double mean_;
  double cv_;
  double scale_ = 1;
  std::vector<double> record_;
  size_t next_ = 0;  // of a replay
};

}  // namespace penstock::plan
