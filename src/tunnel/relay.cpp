#include "tunnel/relay.h"

namespace penstock::tunnel {

// Not zeroed: a worker that never copies never touches these pages.
Relay::Relay(size_t pipes_max)
    : buffer_(std::make_unique_for_overwrite<uint8_t[]>(kBufferBytes)), pipes_(pipes_max) {}

}  // namespace penstock::tunnel
