// What a service says of a message, up to where that is known.
#include <algorithm>
#include <string>
#include <utility>

#include "base/bytes.h"
#include "icap/heads.h"
#include "session/adaptation.h"
#include "session/connection.h"

namespace penstock::session {
namespace {

constexpr int kForbidden = 403;

}  // namespace

// False: the source has failed.
bool Adaptation::judge_feeder() {
  switch (feeder_->state()) {
    case Leg::State::kEnded:
    case Leg::State::kReadFailed:
    case Leg::State::kBadBody:
      lose_source(source_error(feeder_->state(), feeder_->error()));
      return false;
    case Leg::State::kWriteFailed:
      refuses_ = true;  // it may have answered before
      return true;
    default: return true;
  }
}

void Adaptation::hear(Instant now) {
  feeder_->pump(now);
  if (!judge_feeder()) return;
  last_ = std::max(last_, fed_.last);
  const auto buffer = c_.worker.relay().buffer();
  for (;;) {
    if (heard_ && take_head(now)) return;
    const loop::Moved moved = line_->stream().read(buffer);
    if (moved.would_block()) return;
    if (!moved.bytes()) {
      if (try_again()) return;
      complain("it broke off before it had answered");
      return fail(Code::kIcapFailed, now, moved.error());
    }
    received_ += text_of(buffer.first(static_cast<size_t>(moved.count)));
    heard_ = true;
    last_ = now;
  }
}

// True: there is nothing more to be read for now, or it has failed.
bool Adaptation::take_head(Instant now) {
  const auto complete = reader_->advance(received_);
  if (complete && !*complete) return false;
  const auto answer = complete ? reader_->answer(received_) : std::unexpected(complete.error());
  if (!answer) {
    complain(icap::sentence(answer.error()));
    fail(Code::kIcapAnswer, now);
    return true;
  }
  answer_ = *answer;
  // It is another one than that whose options are known (section 4.7).
  if (!answer_.istag.empty() && answer_.istag != line_->options().istag) {
    lines().forget_options(service_);
  }
  if (answer_.status == 100) return take_interim(now);
  if (answer_.status == 204) {
    take_unmodified(now);
    return true;
  }
  if (answer_.status == 200) {
    const size_t end = answer_.length + answer_.inside.head_bytes;
    if (received_.size() < end) return false;
    head_ = received_.substr(answer_.length, answer_.inside.head_bytes);
    received_.erase(0, end);
    line_->turn.succeeded(now);
    state_ = State::kChanged;
  } else if (answer_.status == kForbidden) {
    line_->turn.succeeded(now);
    fail(Code::kIcapBlocked, now);
  } else {
    complain("it answers " + std::to_string(answer_.status));
    fail(answer_.status >= 400 ? Code::kIcapFailed : Code::kIcapAnswer, now);
  }
  return true;
}

// One 100 behind a preview: it wants the rest (section 4.5).
bool Adaptation::take_interim(Instant now) {
  if (!previewing_) {
    complain("it says 100 where nothing more was to come");
    fail(Code::kIcapAnswer, now);
    return true;
  }
  received_.erase(0, answer_.length);
  reader_.emplace(is_answer() ? icap::Method::kRespmod : icap::Method::kReqmod,
                  c_.config().limits.head_bytes + icap::kAddedBytesMax);
  say_rest(now);
  feeder_->pump(now);
  return !judge_feeder();
}

void Adaptation::take_unmodified(Instant now) {
  // The right to say so is the preview's, or was given with all of the message (section 4.6).
  if (!held_) {
    complain("it says 204 of a message that is not here any more");
    return fail(Code::kIcapAnswer, now);
  }
  line_->turn.succeeded(now);
  state_ = State::kUnmodified;
  note(Adapted::kUnmodified);
  // A preview ends where it says; nothing of the message is on its way any more.
  finish(received_.size() == answer_.length && feeder_->delivered());
}

}  // namespace penstock::session
