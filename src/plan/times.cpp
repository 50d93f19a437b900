#include "plan/times.h"

#include <cmath>
#include <numbers>
#include <utility>

#include "base/check.h"

namespace penstock::plan {

Times Times::exponential(double mean) {
  return {Shape::kExponential, mean, 1};
}

Times Times::lognormal(double mean, double cv) {
  PENSTOCK_CHECK(cv > 0);
  return {Shape::kLognormal, mean, cv};
}

Times Times::recorded(std::vector<double> times) {
  return of_record(Shape::kRecorded, std::move(times));
}

Times Times::replayed(std::vector<double> times) {
  return of_record(Shape::kReplayed, std::move(times));
}

Times Times::of_record(Shape shape, std::vector<double> times) {
  PENSTOCK_CHECK(!times.empty());
  const auto count = static_cast<double>(times.size());
  double sum = 0, squares = 0;
  for (const double time : times) sum += time;
  const double mean = sum / count;
  for (const double time : times) squares += (time - mean) * (time - mean);
  Times out(shape, mean, mean > 0 ? std::sqrt(squares / count) / mean : 0);
  out.record_ = std::move(times);
  return out;
}

double Times::draw(Random& random) {
  switch (shape_) {
    case Shape::kExponential: return -mean_ * std::log(random.unit());
    case Shape::kLognormal: {
      // Box and Muller (1958); the second of the pair is not worth keeping.
      const double radius = std::sqrt(-2 * std::log(random.unit()));
      const double normal = radius * std::cos(2 * std::numbers::pi * random.unit());
      const double variance = std::log1p(cv_ * cv_);
      return mean_ * std::exp(std::sqrt(variance) * normal - variance / 2);
    }
    case Shape::kRecorded: return scale_ * record_[random.below(record_.size())];
    case Shape::kReplayed: {
      const double time = record_[next_];
      next_ = (next_ + 1) % record_.size();
      return scale_ * time;
    }
  }
  PENSTOCK_CHECK(false);
}

Times Times::scaled_to(double mean) const {
  Times out = *this;
  if (mean_ > 0) out.scale_ = scale_ * mean / mean_;
  out.mean_ = mean;
  return out;
}

}  // namespace penstock::plan
