// Numbers as people read them: three digits and the unit that fits.
// Pure.
#pragma once

#include <cstdint>
#include <string>

#include "base/time.h"

namespace penstock::observe {

std::string latency_text(Duration latency);  // "812 ns", "81.2 us", "1.92 ms", "10.3 s"
std::string seconds_text(double seconds);    // the same
std::string round_time_text(double nanos);   // "20 ms": of a round value, for an axis
std::string count_text(uint64_t count);      // "1,234,567"
std::string bytes_text(double bytes);        // "1.50 GiB"
std::string rate_text(double per_second);    // "15,234", "12.3", "0.250"

}  // namespace penstock::observe
