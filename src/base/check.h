// Assertions about our own logic. What the outside world can cause is a Result, never a CHECK.
#pragma once

namespace penstock {

// Says where and what, then aborts: state that we no longer understand must not carry bytes.
[[noreturn]] void check_failed(const char* condition, const char* file, int line);

}  // namespace penstock

#define PENSTOCK_CHECK(condition)               \
  (__builtin_expect(!!(condition), 1) ? (void)0 \
                                      : ::penstock::check_failed(#condition, __FILE__, __LINE__))
