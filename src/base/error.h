// What went wrong, whose side it was on, and the kernel's word for it if there was one.
// A value, not a message: copying it never allocates and making one cannot fail. The words
// that people see come from error.def when they are printed.
#pragma once

#include <cstdint>
#include <expected>
#include <string_view>
#include <type_traits>

namespace penstock {

enum class Side : uint8_t { kClient, kPolicy, kProxy, kDns, kParent, kOrigin };

enum class Code : uint8_t {
#define PENSTOCK_ERROR(name, ...) name,
#include "base/error.def"
#undef PENSTOCK_ERROR
};

inline constexpr int kCodeCount = 0
#define PENSTOCK_ERROR(...) +1
#include "base/error.def"
#undef PENSTOCK_ERROR
    ;

// The row of error.def that belongs to a code.
struct ErrorFacts {
  std::string_view name;  // the enumerator, for docs and debuggers
  Side side;
  int status;                     // HTTP status, 0 where no reply is possible
  std::string_view proxy_status;  // RFC 9209 error type
  std::string_view word;          // log and metrics
  std::string_view sentence;      // one line for a person
};

const ErrorFacts& facts(Code code);
std::string_view side_word(Side side);

struct [[nodiscard]] Error {
  Code code;
  int32_t sys_errno = 0;  // 0 where the kernel had no part in it

  const ErrorFacts& facts() const { return penstock::facts(code); }
  friend bool operator==(const Error&, const Error&) = default;
};
static_assert(sizeof(Error) == 8 && std::is_trivially_copyable_v<Error>);

template <class T>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(Code code, int sys_errno = 0) {
  return std::unexpected(Error{code, sys_errno});
}

}  // namespace penstock
