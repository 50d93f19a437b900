// What came of reading one message off the front of a stream that is still arriving.
#pragma once

#include <cstddef>
#include <optional>

#include "base/error.h"

namespace penstock {

// A message and how many bytes it took.
template <class T>
struct Taken {
  T message;
  size_t length;
};

// Nothing: it is not all there yet.
template <class T>
using Reading = Result<std::optional<Taken<T>>>;

}  // namespace penstock
