// Wall-clock time for people: log lines only, never a deadline.
#pragma once

#include <chrono>
#include <string>

namespace penstock {

// "2026-11-23T05:40:00.123Z"
void append_utc(std::string& out, std::chrono::system_clock::time_point at);

}  // namespace penstock
