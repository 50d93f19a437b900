// Notes taken while a connection lives: everything that its one log line says. Nothing here owns
// a right or a descriptor, and nothing decides by it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/ip.h"
#include "base/time.h"
#include "http/authority.h"
#include "policy/decision.h"
#include "tunnel/flow.h"

namespace penstock::session {

// The steps of a connection's life, in order (docs/life-of-a-connection.md).
enum class Step : uint8_t { kHead, kAdmit, kJudgeName, kResolve, kJudgeAddresses, kDial, kHello, kCarry };

// How it ended, in one word.
enum class Outcome : uint8_t {
  kClosed,   // a tunnel that both sides closed
  kRefused,  // this proxy said no: bad request, policy, no room
  kFailed,   // DNS or the origin could not
  kLeft,     // the client left before the tunnel was established
  kCut,      // an established tunnel that ended any other way
};
inline constexpr int kOutcomeCount = 5;
std::string_view outcome_word(Outcome outcome);

// How long each wait took, in microseconds; kNotReached where the connection never came that far.
struct StepTimes {
  static constexpr int64_t kNotReached = -1;
  int64_t head_us = kNotReached;
  int64_t queue_us = kNotReached;
  int64_t resolve_us = kNotReached;
  int64_t dial_us = kNotReached;
  int64_t hello_us = kNotReached;         // established to ClientHello complete
  int64_t server_hello_us = kNotReached;  // ClientHello passed on to the origin's first byte
};

// What a log line says of a TLS ClientHello. Kept only where there was one.
struct HelloNotes {
  std::string sni;
  std::string alpn;
  bool ech = false;
  Instant passed_on = kNever;
};

struct Story {
  uint64_t number = 0;  // counts the worker's connections
  Endpoint client;
  Instant accepted;
  http::Authority target;  // host is empty until the request has been understood
  std::string asked;       // method and target as sent, where it was not understood
  const policy::RuleFacts* rule = nullptr;  // lives as long as the connection's Situation
  Endpoint route;                           // port 0: never connected
  IpAddress source;                         // that we connect from; 0.0.0.0: the kernel's choice
  std::unique_ptr<HelloNotes> hello;
  StepTimes times;
  tunnel::Carried up;
  tunnel::Carried down;
  std::optional<Error> error;
  int16_t status = 0;  // the HTTP status that was sent; 0: none
  Step step = Step::kHead;
  bool judged = false;
  bool allowed = false;
  bool would_deny = false;
  bool established = false;

  Outcome outcome() const;
};

}  // namespace penstock::session
