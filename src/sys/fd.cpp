#include "sys/fd.h"

#include "sys/calls.h"

namespace penstock::sys {

void Fd::reset() {
  if (number_ >= 0) calls::close(std::exchange(number_, -1));
}

}  // namespace penstock::sys
