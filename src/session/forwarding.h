// What a connection whose request is forwarded knows beyond one that becomes a tunnel. Only such a
// connection has one.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "http/forward.h"
#include "session/metrics.h"
#include "session/origin_trunks.h"
#include "session/story.h"

namespace penstock::session {

class Adaptation;

// What services of ICAP have made of its request and of the answer, in that order.
struct IcapNotes {
  std::array<std::optional<Adapted>, kAdaptedMessages.size()> results;
  std::array<Micros, kAdaptedMessages.size()> took;  // up to what they said of it
  std::string threat;                                // that one of them has found
};

struct Forwarding {
  explicit Forwarding(http::ForwardRequest asked);
  ~Forwarding();

  http::ForwardRequest request;
  Micros response;                 // its first byte passed on, up to the whole head of its answer
  bool reused = false;             // its origin's connection has carried other requests
  bool fresh = false;              // and must not: one such was found dead
  bool under_way = false;          // the origin is being told
  bool heard = false;              // a byte of an answer has come
  bool origin_persists = false;    // it may serve another request, once this one has been settled
  bool switched = false;           // the origin has made a WebSocket of it: a tunnel from here on
  bool http1_only = false;         // the origin has said so of this request
  OriginStream* stream = nullptr;  // its origin, where that speaks HTTP/2; c.origin has it
  // It makes a connection that others may wait for.
  std::unique_ptr<OriginTrunks::Coming> coming;
  std::vector<uint8_t> behind;  // what the origin said behind its 101

  std::unique_ptr<IcapNotes> icap;         // null: no service was shown anything
  bool shown = false;                      // the request has been to the service of its rule
  bool body_from_service = false;          // which has put another in its place, with a body
  std::unique_ptr<Adaptation> adaptation;  // a changed request's, while its body comes from there
  std::optional<uint64_t> promised;        // bytes of that body, where its head says so
  // The service has answered in the origin's place: what the client is told, and a body behind it.
  std::unique_ptr<http::ForwardAnswer> own_answer;
};

}  // namespace penstock::session
