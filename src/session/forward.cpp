#include "session/forward.h"

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "http/answer.h"
#include "loop/loop.h"
#include "session/adapt.h"
#include "session/adaptation.h"
#include "session/entrance.h"
#include "session/forwarding.h"
#include "session/leg.h"
#include "session/shown_answer.h"
#include "session/streams.h"
#include "session/watch.h"

namespace penstock::session {

using loop::Task;
using Failure = std::optional<Error>;

namespace {

// Interim answers (1xx) to one request. Each costs a parse and a write; more are an attack.
constexpr int kInterimMax = 32;

// One request and its answer, both ways at once: an origin may answer before it has heard all.
class Exchange {
 public:
  explicit Exchange(Connection& c)
      : c_(c),
        forwarding_(*c.forward),
        up_(c.worker.relay(), forwarding_.adaptation ? forwarding_.adaptation->line() : c.client,
            c.origin, c.story.up),
        down_(c.worker.relay(), c.origin, c.client, c.story.down),
        reader_(new_reader()),
        changed_(forwarding_.adaptation != nullptr) {}

  Task<Failure> run();

 private:
  bool answered() const { return answer_.has_value(); }
  http::AnswerReader new_reader() const {
    const auto& limits = c_.config().limits;
    return http::AnswerReader({limits.head_bytes, limits.head_fields}, http::Stop::kAtEach);
  }
  Instant now() const { return c_.worker.loop().now(); }

  void begin();
  Failure turn();
  Failure hear_answer();
  Failure take_head(size_t length);
  void take_answer(http::ForwardAnswer answer, std::string_view behind);
  Failure feed_request();
  Failure turn_shown();
  Failure judge_up();
  Failure judge_down() const;
  bool client_left() const;
  bool over();
  void finish();
  Error cut(Error error);

  // Until when it may be silent, and whose fault it is then.
  struct Limit {
    Instant when;
    Code why;
  };
  Limit limit() const;

  Connection& c_;
  Forwarding& forwarding_;
  Leg up_;
  Leg down_;
  http::AnswerReader reader_;
  const bool changed_;  // the body of the request is not the client's own
  std::string head_;    // of the next answer, as far as it has come
  int interim_ = 0;
  bool origin_refuses_ = false;         // it takes no more of the request
  bool client_unread_ = false;          // a service has not taken all of the request
  bool origin_unread_ = false;          // nor of the answer
  std::unique_ptr<ShownAnswer> shown_;  // to a service, before the client gets it
  std::optional<http::ForwardAnswer> answer_;
};

void Exchange::begin() {
  c_.story.up.last = c_.story.down.last = now();
  forwarding_.under_way = true;
  up_.cap(c_.config().limits.bandwidth, c_.quota_share.up());
  down_.cap(c_.config().limits.bandwidth, c_.quota_share.down());
  const bool edits = c_.inside && !c_.story.rule->inspect->edits.empty();
  const std::string& head = forwarding_.request.head;
  const std::string asks = edits ? http::edit_head(head, c_.story.rule->inspect->edits) : head;
  if (!ask_by_stream(c_, asks)) up_.say(asks);
  if (forwarding_.adaptation) {
    forwarding_.adaptation->take_early();  // while the origin was reached
    up_.give(forwarding_.adaptation->take_rest());
    up_.expect(forwarding_.promised);
  } else {
    up_.give(std::exchange(c_.early, {}));
  }
  up_.begin(forwarding_.request.body,
            forwarding_.stream ? http::Coding::kPlain : forwarding_.request.coding);
  if (c_.story.parent) {
    head_ = text_of(std::exchange(c_.story.parent->spoke_first, {}));
    forwarding_.heard = !head_.empty();
  }
}

Task<Failure> Exchange::run() {
  loop::Loop& loop = c_.worker.loop();
  loop::Timer timer(loop);
  begin();
  for (;;) {
    if (const auto failure = turn()) {
      if (!changed_) c_.early = up_.rest();
      // Half an interim answer has no other end either.
      co_return answered() || !down_.delivered() ? cut(*failure) : *failure;
    }
    if (over()) break;
    loop::Wait wait(loop);
    Adaptation* const asking = forwarding_.adaptation.get();
    Adaptation* const answering = shown_ ? &shown_->adaptation() : nullptr;
    const bool feeds = (asking && asking->busy()) || (answering && answering->busy());
    if (feeds || up_.state() == Leg::State::kBusy || down_.state() == Leg::State::kBusy) {
      wait.soon();
    } else {
      timer.arm(std::min({limit().when, up_.resume_at(), down_.resume_at(),
                          answering ? answering->wake_at() : kNever}));
      const uint8_t reads_up = up_.interest_in_source();
      const uint8_t reads_down = answered() ? down_.interest_in_source() : uint8_t{0};
      if (asking) asking->wait(wait, reads_up);
      if (answering) answering->wait(wait, reads_down);
      const bool hears = answering    ? answering->interest_in_source() != 0
                         : answered() ? reads_down != 0
                                      : down_.delivered();
      const bool ends = down_.state() == Leg::State::kDone;
      const uint8_t of_client = (asking ? asking->interest_in_source() : reads_up) |
                                down_.interest_in_sink() | (ends ? loop::kWritable : 0);
      const uint8_t of_origin = up_.interest_in_sink() | (hears ? loop::kReadable : 0);
      wait.on(c_.client.source(), of_client).on(c_.origin.source(), of_origin).until(timer);
    }
    co_await wait;
  }
  finish();
  co_return std::nullopt;
}

// What can be done now. An error: it is over, and badly.
Failure Exchange::turn() {
  up_.pump(now());
  if (const auto failure = judge_up()) return failure;
  if (const auto failure = feed_request()) return failure;
  if (up_.state() == Leg::State::kDone) end_request_of_stream(c_, changed_);
  down_.pump(now());
  if (!answered() && !shown_ && down_.delivered()) {
    if (const auto failure = hear_answer()) return failure;
    down_.pump(now());
  }
  if (shown_) {
    if (const auto failure = turn_shown()) return failure;
    down_.pump(now());
  }
  if (const auto failure = judge_down()) return failure;
  if (over()) return std::nullopt;
  if (client_left()) return Error{answered() ? Code::kClientReset : Code::kClientGone};
  const Limit silence = limit();
  return now() >= silence.when ? Failure(Error{silence.why}) : std::nullopt;
}

// Reads heads until the final one has come or there are no more bytes.
Failure Exchange::hear_answer() {
  const auto buffer = c_.worker.relay().buffer();
  while (!answered() && !shown_ && down_.delivered()) {
    const auto complete = reader_.advance(head_);
    if (!complete) {
      const bool large = complete.error() == http::AnswerFault::kTooLarge;
      return Error{large ? Code::kResponseTooLarge : Code::kBadResponse};
    }
    if (*complete) {
      if (const auto failure = take_head(reader_.answer(head_).length)) return failure;
      continue;
    }
    const loop::Moved moved = c_.origin.read(buffer);
    if (moved.would_block()) break;
    if (!moved.bytes()) return no_answer(c_, moved.error());
    head_ += text_of(buffer.first(static_cast<size_t>(moved.count)));
    forwarding_.heard = true;
  }
  return std::nullopt;
}

Failure Exchange::take_head(size_t length) {
  const auto& request = forwarding_.request;
  // Behind an answer that came before the request was whole nobody knows where the next one begins.
  const bool whole = up_.state() == Leg::State::kDone && !origin_refuses_ && !client_unread_;
  const bool may_persist =
      whole && !c_.worker.draining() && !(request.websocket && !up_.rest().empty());
  auto answer = http::parse_forward_answer(std::string_view(head_).substr(0, length), request,
                                           may_persist, c_.worker.pseudonym(), answer_way(c_));
  if (!answer) return answer.error();
  if (answer->status / 100 != 1 || answer->status == 101) {
    const auto behind = std::string_view(head_).substr(length);
    const auto service = answer->status == 101 ? nullptr : answer_service(c_);
    if (service) {
      shown_ = std::make_unique<ShownAnswer>(c_, service, std::move(*answer), behind, may_persist);
      head_ = {};
    } else {
      take_answer(std::move(*answer), behind);
    }
    return std::nullopt;
  }
  if (++interim_ > kInterimMax) return Error{Code::kBadResponse};
  // HTTP/1.0 knows no interim answers.
  if (!request.http_1_0) down_.say(c_.entrance->answered(c_, std::move(answer->head), false));
  down_.pump(now());
  head_.erase(0, length);
  reader_ = new_reader();
  return std::nullopt;
}

void Exchange::take_answer(http::ForwardAnswer answer, std::string_view behind) {
  forwarding_.switched = answer.status == 101;
  c_.story.status = static_cast<int16_t>(answer.status);
  c_.story.established = true;
  c_.story.step = Step::kCarry;
  forwarding_.response.add(c_.story.up.first, c_.worker.loop().read_clock());
  down_.say(c_.entrance->answered(c_, std::move(answer.head), answer.body.done()));
  if (forwarding_.switched) {
    forwarding_.behind.assign(behind.begin(), behind.end());
  } else {
    down_.give(bytes_of(behind));
    down_.begin(answer.body, answer.coding);
  }
  head_ = {};
  answer_ = std::move(answer);
}

// A changed request comes from its service, and the client's own goes there until that has all of
// it.
Failure Exchange::feed_request() {
  Adaptation* const adaptation = forwarding_.adaptation.get();
  if (!adaptation) return std::nullopt;
  if (const auto failure = adaptation->feed(now())) {
    return answered() ? Error{Code::kClientReset} : *failure;
  }
  if (up_.state() != Leg::State::kDone && !up_.stopped()) return std::nullopt;
  client_unread_ = !adaptation->fed();
  adaptation->give_back_rest();
  adaptation->finish(up_.state() == Leg::State::kDone && up_.rest().empty());
  forwarding_.adaptation.reset();
  return std::nullopt;
}

// What the service makes of the answer; once that is known, the rest of it goes to the service.
Failure Exchange::turn_shown() {
  using Verdict = ShownAnswer::Verdict;
  if (answered()) {
    return shown_->adaptation().feed(now()) ? Failure(Error{Code::kResponseCut}) : std::nullopt;
  }
  const Verdict verdict = shown_->pump(now());
  if (verdict == Verdict::kUnknown) return std::nullopt;
  if (verdict == Verdict::kRefused) return shown_->error();
  const auto body = shown_->take_body();
  if (verdict == Verdict::kServices) {
    down_.hear(shown_->adaptation().line());
    down_.expect(shown_->promised());
    take_answer(shown_->take_answer(), text_of(body));
  } else {
    const auto shown = std::move(shown_);
    take_answer(shown->take_answer(), text_of(body));
  }
  return std::nullopt;
}

// How it stands with the request. Once there is an answer, that is what the client gets.
Failure Exchange::judge_up() {
  const bool changed = forwarding_.adaptation != nullptr;
  const Code bad = changed ? Code::kIcapAnswer : Code::kBadChunk;
  switch (up_.state()) {
    case Leg::State::kEnded:
      if (changed) return Error{Code::kIcapFailed};
      if (!answered()) return Error{Code::kClientGone};
      up_.stop();
      break;
    case Leg::State::kReadFailed:
      if (changed) return Error{Code::kIcapFailed, up_.error()};
      return Error{answered() ? Code::kClientReset : Code::kClientGone, up_.error()};
    case Leg::State::kBadBody: return Error{bad};
    case Leg::State::kWriteFailed:
      // It may have answered before: a 413 to a long upload.
      origin_refuses_ = true;
      up_.stop();
      break;
    default: break;
  }
  return std::nullopt;
}

Failure Exchange::judge_down() const {
  const bool changed = shown_ != nullptr;
  const Code cut = changed ? Code::kIcapFailed : Code::kResponseCut;
  switch (down_.state()) {
    case Leg::State::kEnded: return Error{cut};
    case Leg::State::kReadFailed: return Error{cut, down_.error()};
    case Leg::State::kBadBody: return Error{changed ? Code::kIcapAnswer : Code::kBadResponse};
    case Leg::State::kWriteFailed: return Error{Code::kClientReset, down_.error()};
    default: return std::nullopt;
  }
}

// Whoever has asked and hung up waits for nothing: a browser's closed tab, a client's timeout. The
// origin need not go on for nobody. (Who half-closes behind a request looks the same; RFC 9112
// section 9.6 wants him to wait for the answer first.)
// A stream ends with its request, as it should.
bool Exchange::client_left() const {
  if (forwards_stream(c_)) return stream_is_broken(c_);
  return (up_.heard_all() || up_.stopped()) && c_.client.source().ready(loop::kHangup);
}

// The end of a stream's answer is to be delivered like its bytes.
bool Exchange::over() {
  if (!answered()) return false;
  if (forwarding_.switched) return down_.delivered();
  return down_.state() == Leg::State::kDone &&
         (!forwards_stream(c_) || end_answer(c_, shown_ != nullptr));
}

Exchange::Limit Exchange::limit() const {
  const auto& timeouts = c_.config().timeouts;
  Limit out{deadline_after(c_.story.accepted, timeouts.lifetime), Code::kLifetime};
  const auto after = [&](Duration silence, Code why) {
    const Instant when = deadline_after(c_.story.silent_since(), silence);
    if (when < out.when) out = {when, why};
  };
  const auto by_service = [&out](const Adaptation& adaptation, bool reads) {
    const auto service = adaptation.limit(reads);
    if (service.when < out.when) out = {service.when, service.why};
  };
  const Adaptation* const asking = forwarding_.adaptation.get();
  if (asking) by_service(*asking, up_.interest_in_source() != 0);
  if (shown_) by_service(shown_->adaptation(), answered() && down_.interest_in_source() != 0);
  if (answered()) {
    after(timeouts.idle, Code::kIdle);
  } else if (shown_) {
    return out;  // the origin has answered
  } else if (!up_.delivered() && !up_.stopped()) {
    after(timeouts.response, Code::kRequestStuck);
  } else if (!up_.heard_all() && !up_.stopped()) {
    if (!asking) after(timeouts.idle, Code::kBodyTimeout);
  } else {
    after(timeouts.response, Code::kResponseTimeout);
  }
  return out;
}

void Exchange::finish() {
  if (shown_) origin_unread_ = !shown_->end(down_.rest().empty());
  if (!changed_) c_.early = up_.rest();
  if (forwarding_.switched) return;
  c_.client_persists = answer_->client_persists;
  c_.challenges = 0;
  if (forwarding_.stream) return;
  // Whatever it has said behind its answer was not asked for, and would be taken for the next.
  forwarding_.origin_persists = answer_->origin_persists && c_.story.shares_origin() &&
                                up_.state() == Leg::State::kDone && !origin_refuses_ &&
                                !origin_unread_ && down_.rest().empty() && c_.origin.silent();
  const bool first = !c_.origin.source().ready(loop::kHangup);
  if (!forwarding_.origin_persists && first) c_.port.rest(now());
}

Error Exchange::cut(Error error) {
  c_.story.step = Step::kCarry;
  c_.client.reset_on_close();
  c_.origin.reset_on_close();
  return error;
}

}  // namespace

PENSTOCK_OWN_FRAME Task<Failure> forward(Connection& c) {
  // One that closed its side while the origin was being reached, see client_left().
  if (c.story.client_ended && !forwards_stream(c)) co_return Error{Code::kClientGone};
  Exchange exchange(c);
  co_return co_await exchange.run();
}

bool was_stale(const Connection& c, const Error& failure) {
  if (failure.code == Code::kStreamRefused) {
    return c.forward->stream->has_taken_nothing() && !c.forward->body_from_service;
  }
  return failure.code == Code::kResponseIncomplete && c.forward->reused && !c.forward->heard &&
         c.forward->request.repeatable();
}

}  // namespace penstock::session
