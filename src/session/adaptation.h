// One message that is shown to a service of ICAP (RFC 3507): a request on its way to the origin, or
// an answer on its way to the client. It is told its heads and of its body as much as it wants to
// see first, all of which is held until the service has said what becomes of it; what goes beyond
// that streams through, with back-pressure, and is gone from here. The owner pumps it and waits for
// it as for a Leg, and reads a changed message's body from line() itself.
//
// Bounded: what is held of a body by icap::kHeldMax, what the service says in front of a body by
// icap::AnswerReader and icap::kAddedBytesMax; one interim answer; `timeout` of silence.
// Thread: the worker's.   Lifetime: shorter than the streams and its Connection.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/body.h"
#include "icap/answer.h"
#include "icap/request.h"
#include "icap/service.h"
#include "loop/alongside.h"
#include "session/icap_lines.h"
#include "session/leg.h"
#include "session/metrics.h"

namespace penstock::session {

class Connection;

class Adaptation {
 public:
  enum class State : uint8_t {
    kWorking,     // nothing is known yet
    kUnmodified,  // it goes on as it was: all of it that was read is in `raw`
    kChanged,     // head() and the body behind it take its place
    kFailed,      // error()
  };
  // A message of HTTP: its heads as the service is shown them, and a body of which `raw` has been
  // read from `from`, and is held there.
  struct Message {
    std::string request;
    std::string answer;  // empty: it is the request itself that is shown
    std::string path;    // of the request, without its query
    http::BodyReader body = http::BodyReader::none();
    std::optional<uint64_t> length{};  // of the body, where that is known
  };

  Adaptation(Connection& c, icap::ServicePtr service, Message message, loop::Stream& from,
             std::vector<uint8_t>& raw);
  Adaptation(const Adaptation&) = delete;
  Adaptation& operator=(const Adaptation&) = delete;
  ~Adaptation();

  State pump(Instant now);
  State state() const { return state_; }
  Error error() const { return error_; }
  // The message is still whole: it could go on as if nobody had asked.
  bool may_bypass() const;
  // All that was read of it is in `raw`, and what the source says next belongs behind that.
  bool holds_all() const { return held_; }
  // The service has failed at what came of its answer.
  void reject(Error error);
  // How it ended, for the log and the metrics; once.
  void note(Adapted result);

  // Of what takes the message's place: its head, whether it is a request, whether a body follows,
  // and the bytes of that which have come.
  std::string_view head() const { return head_; }
  bool is_request() const { return answer_.inside.head == icap::Part::kRequest; }
  bool has_body() const { return answer_.inside.body; }
  std::vector<uint8_t> take_rest();
  loop::Stream& line() { return line_->stream(); }

  // The rest of the message, which goes to the service while the owner reads what it says. An
  // error: its source has failed.
  std::optional<Error> feed(Instant now);
  // What came of the source by another hand meanwhile, into `raw`, goes there too.
  void take_early();
  bool busy() const { return feeder_ && feeder_->state() == Leg::State::kBusy; }
  // All of the message was heard, and the service has it.
  bool fed() const;
  // Bytes of the source that were read and lie behind the message: they are its owner's again.
  void give_back_rest();

  // Of the owner's wait; `reading` is what the owner wants of the line itself.
  uint8_t interest_in_source() const;
  void wait(loop::Wait& wait, uint8_t reading);
  // When it is to be pumped whatever happens.
  Instant wake_at() const { return step_ == Step::kGather ? patience_ : kNever; }
  // By when something has to happen, and whose fault it is if not. `reading`: the owner waits for
  // bytes from the line.
  struct Limit {
    Instant when = kNever;
    Code why = Code::kIcapTimeout;
  };
  Limit limit(bool reading) const;

  // What was read of the changed message is over: the line may serve another message.
  void finish(bool clean);

 private:
  enum class Step : uint8_t { kOptions, kGather, kLine, kAnswer };

  bool is_answer() const { return !message_.answer.empty(); }
  IcapLines& lines() const;
  void advance(Instant now);
  bool get_line(Instant now);
  bool decide(const icap::Options& options);
  bool gather(Instant now);
  bool take_content();
  void say(Instant now);
  void say_rest(Instant now);
  void stream_rest(size_t from_raw, const http::BodyReader& body);
  void hear(Instant now);
  bool judge_feeder();
  bool take_head(Instant now);
  bool take_interim(Instant now);
  void take_unmodified(Instant now);
  void fail(Code why, Instant now, int sys_errno = 0);
  void lose_source(Error why);
  bool try_again();
  Error source_error(Leg::State state, int sys_errno) const;
  void complain(std::string_view what) const;

  Connection& c_;
  const icap::ServicePtr service_;
  Message message_;
  loop::Stream& from_;
  std::vector<uint8_t>& raw_;
  const size_t place_;  // of the service, for its metrics
  const Instant began_;

  State state_ = State::kWorking;
  Step step_ = Step::kOptions;
  Error error_{Code::kIcapFailed};
  std::optional<loop::Alongside<Result<IcapLines::Line>>> opening_;
  std::optional<IcapLines::Line> line_;
  bool fresh_ = false;  // an idle line has turned out dead

  // Of the body, as far as it is held.
  http::BodyReader gathered_;
  size_t gathered_at_ = 0;  // in raw_
  std::string content_;
  uint64_t wanted_ = 0;        // bytes of content to have before the service is told anything
  Instant patience_ = kNever;  // then it is told what there is

  std::optional<uint64_t> preview_max_;  // bytes; nothing: the service gets no preview
  size_t shown_ = 0;                     // bytes of content that it has been told
  bool previewing_ = false;              // it has been told that there is more
  bool streaming_ = false;               // the rest of the body goes through
  bool held_ = true;                     // raw_ has the message from its beginning
  bool noted_ = false;

  std::optional<Leg> feeder_;
  tunnel::Carried fed_;
  std::string received_;
  std::optional<icap::AnswerReader> reader_;
  bool heard_ = false;
  bool refuses_ = false;  // it takes no more of the message
  Instant source_last_;   // when the source last said something
  Instant last_;          // when the service was told something, or said something
  icap::Answer answer_;
  std::string head_;
};

}  // namespace penstock::session
