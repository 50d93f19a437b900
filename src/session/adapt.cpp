#include "session/adapt.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "base/ascii.h"
#include "base/bytes.h"
#include "http/edit.h"
#include "http/request_parts.h"
#include "icap/heads.h"
#include "session/adaptation.h"
#include "session/entrance.h"
#include "session/hear.h"
#include "session/inside.h"
#include "session/leg.h"
#include "session/watch.h"

namespace penstock::session {

using loop::Task;
using Failure = std::optional<Error>;

// Here since only here is all that it holds known.
Forwarding::Forwarding(http::ForwardRequest asked) : request(std::move(asked)) {}
Forwarding::~Forwarding() = default;

namespace {

constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

const policy::Inspection* inspection_of(const Connection& c) {
  return c.inside && c.story.rule ? c.story.rule->inspect.get() : nullptr;
}

icap::ServicePtr service_named(const Connection& c, const std::string& name) {
  if (name.empty()) return nullptr;
  const icap::Services& services = c.config().icap;
  const size_t place = icap::find_service(services, name);
  return place < services.size() ? services[place] : nullptr;
}

bool expects_to_be_told(const http::ForwardRequest& request) {
  if (request.body.done()) return false;
  std::string_view lines = http::field_lines(request);
  for (http::Field field; http::take_field(lines, field);) {
    if (equals_ignoring_case(field.name, "expect")) return true;
  }
  return false;
}

// The service wants to see the body before the origin is asked, so that it is ours to ask for.
Task<Failure> ask_for_body(Connection& c) {
  http::ForwardRequest& request = c.forward->request;
  request.head = http::edit_head(request.head, {.removed = {"expect"}, .set = {}});
  if (!c.early.empty()) co_return std::nullopt;
  const std::string words = c.entrance->answered(c, std::string(kContinue), false);
  loop::Timer timer(c.worker.loop());
  timer.arm(deadline_after(c.worker.loop().now(), c.config().timeouts.head));
  if (const int error = co_await loop::write_all(c.worker.loop(), c.client, words, timer)) {
    co_return Error{Code::kClientGone, error};
  }
  co_return std::nullopt;
}

Adaptation::Message message_of(const http::ForwardRequest& request) {
  return {.request = icap::shown_head(request),
          .answer = {},
          .path = request.path,
          .body = request.body,
          .length = http::body_bytes(http::field_lines(request), request.body)};
}

// Until something is known. While the message is held, whatever the client says is kept with it.
Task<Failure> await_verdict(Connection& c, Adaptation& adaptation) {
  loop::Loop& loop = c.worker.loop();
  loop::Timer timer(loop);
  while (adaptation.pump(loop.now()) == Adaptation::State::kWorking) {
    uint8_t of_client = adaptation.interest_in_source();
    if (adaptation.holds_all() && of_client == 0) {
      if (!client_stays(c)) co_return Error{Code::kClientGone};
      const bool room = !c.story.client_ended && c.early.size() < tunnel::Relay::kBufferBytes;
      of_client = room ? loop::kReadable : uint8_t{0};
    } else if (forwards_stream(c) && stream_is_broken(c)) {
      co_return Error{Code::kClientGone};
    }
    timer.arm(std::min(adaptation.limit(false).when, adaptation.wake_at()));
    loop::Wait wait(loop);
    if (adaptation.busy()) {
      wait.soon();
    } else {
      adaptation.wait(wait, 0);
      wait.on(c.client.source(), of_client).until(timer);
    }
    co_await wait;
  }
  co_return std::nullopt;
}

// The service's words for no. Whoever reads the answer is told that they are not the origin's.
void mark_refusal(http::ForwardAnswer& answer) {
  if (answer.status < 400) return;
  const size_t first = answer.head.find("\r\n") + 2;
  answer.head.insert(first,
                     "Proxy-Status: penstock; error=http_request_denied; "
                     "details=\"icap_blocked\"\r\n");
}

Failure take_own_answer(Connection& c, Adaptation& adaptation) {
  const http::ForwardRequest& request = c.forward->request;
  auto read = icap::read_answer(adaptation.head(), adaptation.has_body(), request,
                                !c.worker.draining(), head_limits(c), c.worker.pseudonym());
  if (!read) return read.error();
  mark_refusal(read->answer);
  c.forward->promised = read->promised;
  c.forward->own_answer = std::make_unique<http::ForwardAnswer>(std::move(read->answer));
  adaptation.note(Adapted::kAnswered);
  return std::nullopt;
}

Failure take_changed_request(Connection& c, Adaptation& adaptation) {
  http::ForwardRequest& request = c.forward->request;
  auto read = icap::read_request(adaptation.head(), adaptation.has_body(), request, head_limits(c),
                                 c.worker.pseudonym());
  if (!read) return read.error();
  adaptation.note(Adapted::kModified);
  request = std::move(read->request);
  c.forward->promised = read->promised;
  c.forward->body_from_service = adaptation.has_body();
  return std::nullopt;
}

// It has no body, so nothing more is read of the line, nor of what the client has yet to say.
void end_without_body(Connection& c) {
  Adaptation& adaptation = *c.forward->adaptation;
  if (!adaptation.fed()) c.forward->request.persists = false;
  adaptation.give_back_rest();
  adaptation.finish(adaptation.take_rest().empty());
  c.forward->adaptation.reset();
}

Failure judge_failed(Connection& c) {
  Adaptation& adaptation = *c.forward->adaptation;
  const Error error = adaptation.error();
  const bool passes = adaptation.may_bypass();
  if (passes) {
    adaptation.note(Adapted::kBypassed);
  } else if (error.facts().side != Side::kClient) {
    adaptation.note(error.code == Code::kIcapBlocked ? Adapted::kAnswered : Adapted::kFailed);
  }
  c.forward->adaptation.reset();
  return passes ? Failure() : error;
}

Failure judge_verdict(Connection& c) {
  Adaptation& adaptation = *c.forward->adaptation;
  if (adaptation.state() == Adaptation::State::kUnmodified) {
    c.forward->adaptation.reset();
    return std::nullopt;
  }
  if (adaptation.state() == Adaptation::State::kFailed) return judge_failed(c);
  const Failure wrong = adaptation.is_request() ? take_changed_request(c, adaptation)
                                                : take_own_answer(c, adaptation);
  if (wrong) {
    adaptation.reject(*wrong);
    return judge_failed(c);
  }
  if (c.forward->own_answer) return std::nullopt;
  if (!adaptation.has_body()) end_without_body(c);
  return judge_request(c);
}

// The service's own answer, on its way to the client, and the rest of the request on its way to the
// service.
class OwnAnswer {
 public:
  explicit OwnAnswer(Connection& c)
      : c_(c),
        adaptation_(*c.forward->adaptation),
        down_(c.worker.relay(), adaptation_.line(), c.client, c.story.down) {}

  Task<Failure> run();

 private:
  void begin();
  Failure turn();
  bool over();
  void finish();
  Instant now() const { return c_.worker.loop().now(); }

  Connection& c_;
  Adaptation& adaptation_;
  Leg down_;
  bool body_ = false;
};

void OwnAnswer::begin() {
  http::ForwardAnswer& answer = *c_.forward->own_answer;
  c_.story.up.last = c_.story.down.last = now();
  c_.story.status = static_cast<int16_t>(answer.status);
  c_.story.established = true;
  c_.story.step = Step::kCarry;
  body_ = adaptation_.has_body() && !answer.body.done();
  down_.cap(c_.config().limits.bandwidth, c_.quota_share.down());
  down_.say(c_.entrance->answered(c_, std::move(answer.head), answer.body.done()));
  if (body_) {
    down_.give(adaptation_.take_rest());
    down_.expect(c_.forward->promised);
  }
  down_.begin(answer.body, answer.coding);
}

Failure OwnAnswer::turn() {
  if (adaptation_.feed(now())) return Error{Code::kClientReset};
  down_.pump(now());
  switch (down_.state()) {
    case Leg::State::kEnded:
    case Leg::State::kReadFailed: return Error{Code::kIcapFailed, down_.error()};
    case Leg::State::kBadBody: return Error{Code::kIcapAnswer};
    case Leg::State::kWriteFailed: return Error{Code::kClientReset, down_.error()};
    default: break;
  }
  if (over()) return std::nullopt;
  if (forwards_stream(c_) && stream_is_broken(c_)) return Error{Code::kClientReset};
  const auto by = adaptation_.limit(down_.interest_in_source() != 0);
  if (now() >= by.when) return Error{by.why};
  const Instant idle = deadline_after(c_.story.silent_since(), c_.config().timeouts.idle);
  return now() >= idle ? Failure(Error{Code::kIdle}) : std::nullopt;
}

bool OwnAnswer::over() {
  return down_.state() == Leg::State::kDone && (!forwards_stream(c_) || c_.client.shutdown_write());
}

void OwnAnswer::finish() {
  const bool whole = adaptation_.fed();
  adaptation_.give_back_rest();
  c_.client_persists = c_.forward->own_answer->client_persists && whole;
  c_.challenges = 0;
  adaptation_.finish(body_ ? down_.rest().empty() : adaptation_.take_rest().empty());
}

Task<Failure> OwnAnswer::run() {
  loop::Timer timer(c_.worker.loop());
  begin();
  for (;;) {
    if (const auto failure = turn()) {
      c_.client.reset_on_close();
      co_return failure;
    }
    if (over()) break;
    loop::Wait wait(c_.worker.loop());
    if (adaptation_.busy() || down_.state() == Leg::State::kBusy) {
      wait.soon();
    } else {
      const uint8_t reading = down_.interest_in_source();
      const Instant idle = deadline_after(c_.story.silent_since(), c_.config().timeouts.idle);
      timer.arm(std::min({adaptation_.limit(reading != 0).when, down_.resume_at(), idle}));
      const bool ends = down_.state() == Leg::State::kDone;
      adaptation_.wait(wait, reading);
      wait.on(c_.client.source(), adaptation_.interest_in_source() | down_.interest_in_sink() |
                                      (ends ? loop::kWritable : uint8_t{0}))
          .until(timer);
    }
    co_await wait;
  }
  finish();
  co_return std::nullopt;
}

// Once.
Task<Failure> show_request(Connection& c) {
  const policy::Inspection* const inspection = inspection_of(c);
  const auto service = inspection ? service_named(c, inspection->icap_request) : nullptr;
  if (!service || c.forward->shown) co_return std::nullopt;
  c.forward->shown = true;
  if (expects_to_be_told(c.forward->request)) {
    if (const auto failed = co_await ask_for_body(c)) co_return failed;
  }
  c.forward->adaptation =
      std::make_unique<Adaptation>(c, service, message_of(c.forward->request), c.client, c.early);
  if (const auto gone = co_await await_verdict(c, *c.forward->adaptation)) {
    c.forward->adaptation.reset();
    co_return gone;
  }
  co_return judge_verdict(c);
}

}  // namespace

icap::ServicePtr answer_service(const Connection& c) {
  const policy::Inspection* const inspection = inspection_of(c);
  return inspection ? service_named(c, inspection->icap_response) : nullptr;
}

PENSTOCK_OWN_FRAME Task<Failure> judge_inside(Connection& c) {
  Failure refused = judge_request(c);
  if (!refused) refused = co_await show_request(c);
  if (refused && refused->facts().side == Side::kPolicy) c.story.allowed = false;
  co_return refused;
}

PENSTOCK_OWN_FRAME Task<Failure> deliver_own_answer(Connection& c) {
  OwnAnswer answer(c);
  co_return co_await answer.run();
}

}  // namespace penstock::session
