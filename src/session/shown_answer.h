// An origin's answer that a service of ICAP is shown before the client gets it, from its head on.
// Thread: the worker's.   Lifetime: its Exchange's, and shorter than the Connection.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "http/forward.h"
#include "icap/service.h"
#include "session/adaptation.h"

namespace penstock::session {

class ShownAnswer {
 public:
  enum class Verdict : uint8_t {
    kUnknown,
    kOrigins,   // the client gets the answer as it was
    kServices,  // it gets what the service says, with a body from adaptation().line()
    kRefused,   // error()
  };

  // `behind`: what came behind the head of `answer`. `may_persist`: the client's connection may.
  ShownAnswer(Connection& c, icap::ServicePtr service, http::ForwardAnswer answer,
              std::string_view behind, bool may_persist);

  Verdict pump(Instant now);
  Error error() const { return adaptation_.error(); }
  // What the client gets, and what has come of its body; once.
  http::ForwardAnswer take_answer() { return std::move(answer_); }
  std::vector<uint8_t> take_body();
  std::optional<uint64_t> promised() const { return promised_; }

  Adaptation& adaptation() { return adaptation_; }
  const Adaptation& adaptation() const { return adaptation_; }
  // What the service says is with the client; `clean`: and it has said nothing behind that. Whether
  // the origin has said no more than was read.
  bool end(bool clean);

 private:
  std::optional<Error> take_changed();
  Verdict judge_failed();

  Connection& c_;
  http::ForwardAnswer answer_;
  const bool may_persist_;
  std::vector<uint8_t> raw_;  // of the origin's body
  std::optional<uint64_t> promised_;
  bool changed_ = false;
  Adaptation adaptation_;
};

}  // namespace penstock::session
