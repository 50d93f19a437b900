#include "session/adaptation.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "base/bytes.h"
#include "icap/heads.h"
#include "session/connection.h"

namespace penstock::session {
namespace {

// Of what is read to be held: chunks take more room than their content.
constexpr size_t kRawMax = tunnel::Relay::kBufferBytes;
// For so long the first bytes of a body that does not say how long it is are collected. An answer
// that comes by and by is not to wait for a preview's worth of it.
constexpr Duration kPreviewPatience = std::chrono::seconds(1);

}  // namespace

Adaptation::Adaptation(Connection& c, icap::ServicePtr service, Message message, loop::Stream& from,
                       std::vector<uint8_t>& raw)
    : c_(c),
      service_(std::move(service)),
      message_(std::move(message)),
      from_(from),
      raw_(raw),
      place_(icap::find_service(c.config().icap, service_->name)),
      began_(c.worker.loop().now()),
      gathered_(message_.body),
      source_last_(began_),
      last_(began_) {}

Adaptation::~Adaptation() = default;

IcapLines& Adaptation::lines() const {
  return c_.worker.icap_lines();
}

void Adaptation::complain(std::string_view what) const {
  c_.worker.trouble().say(observe::Level::kWarning,
                          "icap service " + service_->name + ": " + std::string(what));
}

void Adaptation::note(Adapted result) {
  if (std::exchange(noted_, true)) return;
  const size_t message = is_answer() ? 1 : 0;
  const Instant now = c_.worker.loop().read_clock();
  Metrics& metrics = c_.worker.metrics();
  if (place_ < icap::kServicesMax) {
    metrics.icap[place_][message][static_cast<size_t>(result)].add();
  }
  metrics.icap_seconds[message].record(now - began_);
  auto& notes = c_.forward->icap;
  if (!notes) notes = std::make_unique<IcapNotes>();
  notes->results[message] = result;
  notes->took[message].add(began_, now);
  if (!answer_.threat.empty()) notes->threat = answer_.threat;
}

void Adaptation::fail(Code why, Instant now, int sys_errno) {
  if (line_) line_->turn.failed(why, now);
  state_ = State::kFailed;
  error_ = Error{why, sys_errno};
  line_.reset();
}

void Adaptation::reject(Error error) {
  fail(error.code, c_.worker.loop().now(), error.sys_errno);
}

void Adaptation::lose_source(Error why) {
  state_ = State::kFailed;
  held_ = false;
  error_ = why;
  line_.reset();
}

bool Adaptation::may_bypass() const {
  const bool fails = error_.code == Code::kIcapFailed || error_.code == Code::kIcapTimeout ||
                     error_.code == Code::kIcapBusy || error_.code == Code::kIcapAnswer;
  return held_ && fails && service_->on_failure == icap::OnFailure::kBypass;
}

Error Adaptation::source_error(Leg::State state, int sys_errno) const {
  const bool bad = state == Leg::State::kBadBody;
  if (is_answer()) return {bad ? Code::kBadResponse : Code::kResponseIncomplete, sys_errno};
  return {bad ? Code::kBadChunk : Code::kClientGone, sys_errno};
}

Adaptation::State Adaptation::pump(Instant now) {
  advance(now);
  if (state_ != State::kWorking || step_ == Step::kOptions) return state_;
  const Limit by = limit(false);
  if (now < by.when) return state_;
  if (by.why == Code::kIcapTimeout) {
    complain("it does not answer in time");
    fail(by.why, now);
  } else {
    lose_source(Error{by.why});
  }
  return state_;
}

void Adaptation::advance(Instant now) {
  while (state_ == State::kWorking) {
    const Step step = step_;
    switch (step) {
      case Step::kOptions: {
        const icap::Options* options = lines().options(service_);
        // Where we are asking for them they may be known before we have the line.
        if (options == nullptr || opening_) {
          if (!get_line(now)) return;
          options = &line_->options();
        }
        if (!decide(*options)) return;
        step_ = Step::kGather;
        break;
      }
      case Step::kGather:
        if (!gather(now)) return;
        step_ = Step::kLine;
        break;
      case Step::kLine:
        if (!get_line(now)) return;
        say(now);
        step_ = Step::kAnswer;
        break;
      case Step::kAnswer:
        hear(now);
        if (step_ == step) return;
        break;
    }
  }
}

// True: there is one.
bool Adaptation::get_line(Instant now) {
  if (line_) return true;
  if (!opening_) {
    opening_.emplace(c_.worker.loop(), lines().open(service_, c_.situation, fresh_));
  }
  if (!opening_->done()) return false;
  auto line = opening_->take();
  opening_.reset();
  if (line) {
    line_.emplace(std::move(*line));
    last_ = now;
  } else {
    fail(line.error().code, now, line.error().sys_errno);
  }
  return line_.has_value();
}

// What the service wants to see of the message; false: nothing.
bool Adaptation::decide(const icap::Options& options) {
  if (!(is_answer() ? options.respmod : options.reqmod)) {
    complain(is_answer() ? "its Methods have no RESPMOD" : "its Methods have no REQMOD");
    fail(Code::kIcapFailed, c_.worker.loop().now());
    return false;
  }
  const icap::Transfer transfer = options.transfer_of(message_.path);
  if (transfer == icap::Transfer::kIgnore) {
    state_ = State::kUnmodified;
    note(Adapted::kIgnored);
    finish(true);
    return false;
  }
  if (options.preview && service_->previews && transfer == icap::Transfer::kPreview) {
    preview_max_ = std::min(*options.preview, service_->preview_max);
  }
  const bool fits = message_.length && *message_.length <= icap::kHeldMax;
  wanted_ = fits ? *message_.length : preview_max_.value_or(0);
  if (!fits) patience_ = c_.worker.loop().now() + kPreviewPatience;
  source_last_ = c_.worker.loop().now();
  return true;
}

// True: as much of the body is there as is wanted, or as there will be.
bool Adaptation::gather(Instant now) {
  const auto buffer = c_.worker.relay().buffer();
  for (;;) {
    if (!take_content()) {
      lose_source(source_error(Leg::State::kBadBody, 0));
      return false;
    }
    if (gathered_.done() || content_.size() >= wanted_ || raw_.size() >= kRawMax) return true;
    if (now >= patience_) return true;
    const loop::Moved moved = from_.read(buffer.first(kRawMax - raw_.size()));
    if (moved.would_block()) return false;
    if (moved.bytes()) {
      raw_.insert(raw_.end(), buffer.data(), buffer.data() + moved.count);
      source_last_ = now;
    } else if (moved.failed() || !gathered_.end()) {
      lose_source(source_error(Leg::State::kEnded, moved.error()));
      return false;
    }  // else the body ended with its connection
  }
}

// False: the body is badly cut into chunks.
bool Adaptation::take_content() {
  while (content_.size() < wanted_ && !gathered_.done() && gathered_at_ < raw_.size()) {
    const auto piece =
        gathered_.next(text_of(raw_).substr(gathered_at_, wanted_ - content_.size()));
    if (!piece) return false;
    content_ += piece->content;
    gathered_at_ += piece->taken;
  }
  return true;
}

void Adaptation::say(Instant now) {
  const bool body = !message_.body.done();
  const bool whole = gathered_.done();
  icap::Asking asking{
      .method = is_answer() ? icap::Method::kRespmod : icap::Method::kReqmod,
      .request = message_.request,
      .answer = message_.answer,
      .body = body,
      .allow_204 = whole,
  };
  if (body && preview_max_) {
    shown_ = std::min<size_t>(content_.size(), *preview_max_);
    asking.preview = shown_;
  }
  const std::string client = c_.story.client.address.text();
  const std::string origin = c_.story.route.address.text();
  if (service_->says(icap::Told::kClient)) asking.client = client;
  if (service_->says(icap::Told::kIdentity)) asking.identity = c_.asker().identity;
  if (service_->says(icap::Told::kOrigin) && is_answer()) asking.origin = origin;

  feeder_.emplace(c_.worker.relay(), from_, line_->stream(), fed_);
  feeder_->say(icap::head_of(*service_, asking));
  reader_.emplace(asking.method, c_.config().limits.head_bytes + icap::kAddedBytesMax);
  received_.clear();
  previewing_ = false;
  last_ = now;
  if (!body) return;
  if (asking.preview) {
    const bool all = whole && shown_ == content_.size();
    feeder_->say(icap::preview_of(std::string_view(content_).substr(0, shown_), all));
    previewing_ = !all;
  } else if (whole) {
    feeder_->say(icap::preview_of(content_, false));
    shown_ = content_.size();
  } else {
    stream_rest(0, message_.body);
  }
}

// Behind a preview.
void Adaptation::say_rest(Instant now) {
  previewing_ = false;
  last_ = now;
  const std::string_view rest = std::string_view(content_).substr(shown_);
  if (gathered_.done()) {
    feeder_->say(icap::preview_of(rest, false));
    shown_ = content_.size();
    return;
  }
  if (!rest.empty()) {
    std::string chunk = icap::preview_of(rest, false);
    chunk.resize(chunk.size() - std::string_view("0\r\n\r\n").size());
    feeder_->say(chunk);
  }
  stream_rest(gathered_at_, gathered_);
}

// What is behind `from_raw`, and what the source has yet to say. None of it is held any longer.
void Adaptation::stream_rest(size_t from_raw, const http::BodyReader& body) {
  feeder_->give(std::span(raw_).subspan(from_raw));
  feeder_->begin(body, http::Coding::kChunked);
  raw_ = {};
  content_ = {};
  streaming_ = true;
  held_ = false;
}

bool Adaptation::try_again() {
  if (!line_->reused || heard_ || !held_) return false;
  feeder_.reset();
  line_.reset();
  fresh_ = true;
  refuses_ = false;
  step_ = Step::kLine;
  return true;
}

std::vector<uint8_t> Adaptation::take_rest() {
  const std::string rest = std::exchange(received_, {});
  return {rest.begin(), rest.end()};
}

std::optional<Error> Adaptation::feed(Instant now) {
  if (!feeder_ || !line_ || refuses_) return std::nullopt;
  feeder_->pump(now);
  switch (feeder_->state()) {
    case Leg::State::kEnded:
    case Leg::State::kReadFailed:
    case Leg::State::kBadBody: return source_error(feeder_->state(), feeder_->error());
    case Leg::State::kWriteFailed: refuses_ = true; break;
    default: break;
  }
  last_ = std::max(last_, fed_.last);
  return std::nullopt;
}

void Adaptation::take_early() {
  if (streaming_) feeder_->give(std::exchange(raw_, {}));
}

bool Adaptation::fed() const {
  if (refuses_ || !feeder_) return false;
  return streaming_ ? feeder_->state() == Leg::State::kDone
                    : gathered_.done() && feeder_->delivered();
}

void Adaptation::give_back_rest() {
  if (streaming_) {
    raw_.insert(raw_.begin(), feeder_->rest().begin(), feeder_->rest().end());
  } else {
    raw_.erase(raw_.begin(), raw_.begin() + static_cast<ptrdiff_t>(gathered_at_));
  }
}

uint8_t Adaptation::interest_in_source() const {
  if (state_ == State::kWorking && step_ == Step::kGather) return loop::kReadable;
  return feeder_ && line_ && !refuses_ ? feeder_->interest_in_source() : uint8_t{0};
}

void Adaptation::wait(loop::Wait& wait, uint8_t reading) {
  if (opening_) wait.until_done(*opening_);
  if (!line_) return;
  const bool answers = state_ == State::kWorking && step_ == Step::kAnswer;
  const uint8_t feeding = feeder_ && !refuses_ ? feeder_->interest_in_sink() : uint8_t{0};
  wait.on(line_->stream().source(), feeding | reading | (answers ? loop::kReadable : uint8_t{0}));
}

Adaptation::Limit Adaptation::limit(bool reading) const {
  const auto& timeouts = c_.config().timeouts;
  if (opening_) return {};
  if (interest_in_source() != 0) {
    const Instant since = std::max(source_last_, fed_.last);
    return is_answer() ? Limit{deadline_after(since, timeouts.response), Code::kResponseTimeout}
                       : Limit{deadline_after(since, timeouts.idle), Code::kBodyTimeout};
  }
  const bool owes = state_ == State::kWorking ? step_ == Step::kAnswer : line_ && reading;
  if (!owes) return {};
  const Instant since = std::max({last_, fed_.last, c_.story.silent_since()});
  return {deadline_after(since, service_->timeout), Code::kIcapTimeout};
}

void Adaptation::finish(bool clean) {
  if (!line_) return;
  if (clean && !answer_.close && (state_ == State::kUnmodified || fed())) {
    lines().keep(std::move(*line_));
  }
  line_.reset();
}

}  // namespace penstock::session
