// Notes taken while a connection lives: everything that its one log line says. Nothing here owns
// a right or a descriptor, and nothing decides by it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "admission/denial.h"
#include "base/error.h"
#include "base/ip.h"
#include "base/time.h"
#include "http/authority.h"
#include "http/credentials.h"
#include "policy/decision.h"
#include "session/parent.h"
#include "tunnel/flow.h"

namespace penstock::session {

// The steps of a connection's life, in order (docs/life-of-a-connection.md).
enum class Step : uint8_t {
  kHead,
  kIdentify,
  kJudgeName,
  kAdmit,
  kResolve,
  kJudgeAddresses,
  kDial,
  kHello,
  kCarry
};

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

// How long a wait took, in whole microseconds up to 35 minutes; longer ones stay there. Four bytes,
// because every idle tunnel holds eight of them.
class Micros {
 public:
  bool reached() const { return value_ >= 0; }
  // Zero where it was not reached.
  Duration duration() const { return std::chrono::microseconds(std::max(value_, 0)); }
  int64_t value() const { return value_; }
  void add(Instant from, Instant to) {
    value_ = static_cast<int32_t>(
        std::min<int64_t>(std::max<int64_t>(value_, 0) + micros_between(from, to), INT32_MAX));
  }

 private:
  int32_t value_ = -1;
};

struct StepTimes {
  Micros head;
  Micros identify;  // checking credentials
  Micros queue;
  Micros resolve;
  Micros dial;
  Micros connect;       // of the route that was reached, by the kernel's clock
  Micros hello;         // established to ClientHello complete
  Micros server_hello;  // ClientHello passed on to the origin's first byte
};

// What a log line says of a TLS ClientHello. Kept only where there was one.
struct HelloNotes {
  std::string sni;
  std::string alpn;
  bool ech = false;
  Instant passed_on = kNever;
  std::unique_ptr<std::string> ja4 =
      {};  // only where it is logged: every idle tunnel has these notes
};

// Of a connection that began with a PROXY protocol header: who sent it, and what else it said.
struct Announced {
  Endpoint peer;
  std::string authority;
  std::string alpn;
  std::string unique_id;
  std::string tls_version;
  std::string tls_name;
};

struct Story {
  uint64_t number = 0;  // counts the worker's connections
  Endpoint client;
  Endpoint route;  // port 0: never connected
  Instant accepted;
  http::Authority target;              // host is empty until the request has been understood
  std::unique_ptr<std::string> asked;  // method and target as sent, where it was not understood
  const policy::RuleFacts* rule = nullptr;  // lives as long as the connection's Situation
  std::unique_ptr<HelloNotes> hello;
  std::unique_ptr<ParentNotes> parent;  // the last one that was tried; null: none
  std::unique_ptr<Announced> announced;
  StepTimes times;
  tunnel::Carried up;
  tunnel::Carried down;
  std::optional<Error> error;
  Micros opening;             // accept to the 200
  std::optional<Code> cause;  // of a refusal by a breaker: what the destination failed with
  uint16_t retry_after = 0;   // seconds that a refused client was told to wait; 0: not known
  int16_t status = 0;         // the HTTP status that was sent; 0: none
  std::optional<http::AuthScheme> login;  // of the credentials that were sent
  uint8_t syn_retransmits = 0;            // of what `times.connect` is about
  Step step = Step::kHead;
  bool judged : 1 = false;
  bool allowed : 1 = false;
  bool would_deny : 1 = false;
  bool established : 1 = false;
  bool client_ended : 1 = false;  // it closed its side before the tunnel carried
  bool spare : 1 = false;         // its origin was connected before it asked
  bool unread_hello : 1 = false;  // the first bytes were not looked at, or could not be read

  Outcome outcome() const;
  // What its rule says of that.
  policy::Announce announces() const { return rule ? rule->announce : policy::Announce::kNothing; }
  // Its origin's connection may serve others. A parent's tunnel is no connection to a judged route,
  // and who was announced by a header is nobody else.
  bool shares_origin() const { return !parent && announces() == policy::Announce::kNothing; }
  // Admission said no: notes what the client is told of it.
  Error deny(const admission::Denial& denial);
  // When it became a tunnel; only where it did.
  Instant opened() const { return accepted + std::chrono::microseconds(opening.value()); }
  // Since when neither direction has delivered a byte; only where it is a tunnel.
  Instant silent_since() const { return std::max(up.last, down.last); }
};

}  // namespace penstock::session
