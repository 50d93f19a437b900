// What a connection whose request is forwarded knows beyond one that becomes a tunnel. Only such a
// connection has one.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "http/forward.h"
#include "session/story.h"

namespace penstock::session {

struct Forwarding {
  explicit Forwarding(http::ForwardRequest asked) : request(std::move(asked)) {}

  http::ForwardRequest request;
  Micros response;               // its first byte passed on, up to the whole head of its answer
  bool reused = false;           // its origin's connection has carried other requests
  bool fresh = false;            // and must not: one such was found dead
  bool under_way = false;        // the origin is being told
  bool heard = false;            // a byte of an answer has come
  bool origin_persists = false;  // it may serve another request, once this one has been settled
  bool switched = false;         // the origin has made a WebSocket of it: a tunnel from here on
  std::vector<uint8_t> behind;   // what the origin said behind its 101
};

}  // namespace penstock::session
