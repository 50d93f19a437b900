// Little's law over a stretch of time: L = lambda W, with all three measured. Where those who left
// are those who came, the two sides are equal; a system that is filling or emptying, or whose
// stays are longer than the stretch, shows it by the difference.
// Source: J. D. C. Little, "A Proof for the Queuing Formula L = lambda W" (1961); L. Kleinrock,
// Queueing Systems vol. 1 (1975), section 2.1.
// Pure.
#pragma once

#include <optional>

#include "observe/population.h"

namespace penstock::observe {

struct LittlesLaw {
  double lambda = 0;        // arrivals per second
  std::optional<double> w;  // mean stay of those who left, in seconds; nobody left: nothing
  double l = 0;             // mean number present

  // What L is by the law. Nothing arrived: nothing is present by it, however long it would stay.
  std::optional<double> lambda_w() const {
    if (lambda == 0) return 0;
    return w ? std::optional(lambda * *w) : std::nullopt;
  }
};

// `passed`: what a census counted within `seconds`, which is more than 0.
inline LittlesLaw littles_law(const Census& passed, double seconds) {
  constexpr double kNanosecond = 1e-9;
  LittlesLaw out;
  out.lambda = static_cast<double>(passed.arrivals) / seconds;
  out.l = static_cast<double>(passed.presence_ns) * kNanosecond / seconds;
  if (passed.departures > 0) {
    out.w = static_cast<double>(passed.stayed_ns) * kNanosecond /
            static_cast<double>(passed.departures);
  }
  return out;
}

}  // namespace penstock::observe
