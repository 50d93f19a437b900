#include "h2/client_session.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <utility>

#include "http/body.h"

namespace penstock::h2 {
namespace {

// A request calls for a few frames that carry nothing: windows, and a reset that crosses ours.
constexpr uint64_t kIdleFramesOfARequest = 4;

}  // namespace

ClientSession::ClientSession(const Limits& limits)
    : Link(Side::kClient, limits, {Code::kOriginHttp2, Code::kOriginHttp2}) {}

ClientSession::~ClientSession() = default;

Asking* ClientSession::asking(StreamId id) const {
  // SAFETY: request() gives streams to the library, and nobody else does.
  return static_cast<Asking*>(stream(id));
}

StreamId ClientSession::request(const std::vector<Field>& fields, bool last, Asking& stream) {
  if (broken() || going()) return 0;
  stream.window_ = limits_.window;
  stream.to_head_ = std::ranges::any_of(
      fields, [](const Field& field) { return field.name == ":method" && field.value == "HEAD"; });
  const StreamId id = submit(0, fields, last ? Behind::kNothing : Behind::kBody, &stream);
  if (id <= 0) return 0;
  ++open_;
  idle_frames_.earn(kIdleFramesOfARequest);
  return id;
}

size_t ClientSession::width() const {
  if (!known_) return 1;
  const uint32_t allowed =
      nghttp2_session_get_remote_settings(library(), NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
  return std::min(allowed, limits_.streams);
}

void ClientSession::begin_fields(StreamId id, bool /*first*/) {
  reading_.reset();
  trailers_.reset();
  const Asking* const stream = asking(id);
  if (stream == nullptr || !stream->heard_) {
    reading_.emplace(limits_.head);
  } else {
    trailers_.emplace(limits_.head);
  }
}

size_t ClientSession::take_field(std::string_view name, std::string_view value) {
  if (reading_) {
    reading_->take(name, value);
    return reading_->bytes();
  }
  trailers_->take(name, value);
  return trailers_->bytes();
}

void ClientSession::end_fields(StreamId id, bool /*first*/, bool last) {
  Asking* const stream = asking(id);
  if (stream == nullptr) return;
  if (reading_) return end_head(id, *stream, last);
  auto trailers = trailers_->trailers();
  if (!last || !trailers) return spoil(id, *stream, Code::kBadResponse);
  end_stream(id, *stream, std::move(*trailers));
}

void ClientSession::end_head(StreamId id, Asking& stream, bool last) {
  auto answer = reading_->answer(last);
  reading_.reset();
  if (!answer) return spoil(id, stream, answer.error().code);
  if (answer->interim()) {
    if (++stream.interim_ > kInterimMax) return spoil(id, stream, Code::kBadResponse);
    return stream.answered(std::move(*answer), false);
  }
  stream.heard_ = true;
  stream.bodiless_ = stream.to_head_ || http::never_has_body(answer->status);
  if (!stream.bodiless_) stream.length_ = answer->length;
  if (last && stream.length_.value_or(0) != 0) return spoil(id, stream, Code::kBadResponse);
  stream.answered(std::move(*answer), last);
  if (last) stream.ended({});
}

// Of what is wrong the last byte is not passed on, so that nobody takes the body for whole.
bool ClientSession::may_receive(Stream& of, StreamId id, size_t bytes) {
  // SAFETY: as in asking().
  auto& stream = static_cast<Asking&>(of);
  stream.got_ += bytes;
  const bool fits = stream.heard_ && (bytes == 0 || !stream.bodiless_) &&
                    (!stream.length_ || stream.got_ <= *stream.length_);
  if (!fits) spoil(id, stream, Code::kBadResponse);
  return fits;
}

void ClientSession::end_stream(StreamId id, Stream& of, Trailers trailers) {
  // SAFETY: as in asking().
  auto& stream = static_cast<Asking&>(of);
  if (!stream.heard_ || (stream.length_ && stream.got_ != *stream.length_)) {
    return spoil(id, stream, Code::kBadResponse);
  }
  stream.ended(std::move(trailers));
}

void ClientSession::spoil(StreamId id, Asking& stream, Code why) {
  forget(id);
  reset(id, Reset::kProtocolError);
  stream.spoilt(why);
}

// One that nobody waits for costs as little as a ping, and is counted as one.
void ClientSession::note_reset_received(StreamId id) {
  if (stream(id) == nullptr && !idle_frames_.spend(now_)) give_up(Reset::kEnhanceYourCalm);
}

}  // namespace penstock::h2
