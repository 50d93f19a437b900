#include "h2/session.h"

#include <nghttp2/nghttp2.h>

#include <utility>

#include "base/check.h"

namespace penstock::h2 {
namespace {

// Streams that were reset before they were tunnels, by either side on the client's account: as many
// as a client may have open four times over, then 50 in a second (CVE-2023-44487, CVE-2025-8671).
constexpr uint64_t kResetsAtOnce = 512;
constexpr admission::Ration kResets{50};

// Which of our resets the client has brought about: by breaking a rule (MadeYouReset), or by asking
// for what is not to be had. Those that end a tunnel or a refusal are none of them.
bool is_clients_doing(uint32_t code) {
  return code != NGHTTP2_NO_ERROR && code != NGHTTP2_CANCEL && code != NGHTTP2_CONNECT_ERROR;
}

}  // namespace

Session::Session(const Limits& limits, Owner& owner)
    : Link(Side::kServer, limits, {Code::kHttp2Broken, Code::kHttp2Flood}),
      owner_(owner),
      resets_(kResets, kResetsAtOnce) {}

Session::~Session() = default;

void Session::inform(StreamId id, const std::vector<Field>& fields) {
  if (!broken()) submit(id, fields, Behind::kHeads, nullptr);
}

void Session::answer(StreamId id, const std::vector<Field>& fields, bool last) {
  if (!broken()) submit(id, fields, last ? Behind::kNothing : Behind::kBody, nullptr);
}

void Session::begin_fields(StreamId id, bool first) {
  reading_.reset();
  trailers_.reset();
  if (!first) {
    trailers_.emplace(limits_.head);
    return;
  }
  reading_ = std::make_unique<RequestReader>(limits_.head, limits_.scheme);
  // Streams take turns, a frame each; as they would by the client's wish, but for its own good.
  const nghttp2_extpri fair{NGHTTP2_EXTPRI_DEFAULT_URGENCY, 1};
  nghttp2_session_change_extpri_stream_priority(library(), id, &fair, 1);
}

size_t Session::take_field(std::string_view name, std::string_view value) {
  if (reading_) {
    reading_->take(name, value);
    return reading_->bytes();
  }
  trailers_->take(name, value);
  return trailers_->bytes();
}

void Session::end_fields(StreamId id, bool first, bool last) {
  if (!first) return end_trailers(id, last);
  PENSTOCK_CHECK(reading_);
  auto asked = reading_->request(last);
  const bool tunnel = !asked || asked->tunnel();
  Stream* const stream = owner_.requested(id, std::move(asked), reading_->sketch());
  reading_.reset();
  if (stream == nullptr) return reset(id, Reset::kRefusedStream);
  stream->tunnel_ = tunnel;
  stream->window_ = limits_.window;
  nghttp2_session_set_stream_user_data(library(), id, stream);
  if (last) stream->ended({});
}

// RFC 9113 section 8.5: a connected stream has DATA and nothing else.
void Session::end_trailers(StreamId id, bool last) {
  Stream* const stream = this->stream(id);
  auto trailers = trailers_->trailers();
  if (stream == nullptr || stream->tunnel_ || !last || !trailers) {
    return reset(id, Reset::kProtocolError);
  }
  end_stream(id, *stream, std::move(*trailers));
}

void Session::end_stream(StreamId /*id*/, Stream& stream, Trailers trailers) {
  stream.ended(std::move(trailers));
}

// Of a tunnel that was set up it is an end like any other, and was paid for.
void Session::note_reset_received(StreamId id) {
  ++client_resets_;
  const Stream* const reset = stream(id);
  if (reset != nullptr && reset->granted()) return;
  if (!resets_.spend(now_)) give_up(Reset::kEnhanceYourCalm);
}

void Session::note_reset_sent(uint32_t code) {
  ++proxy_resets_;
  if (is_clients_doing(code) && !resets_.spend(now_)) give_up(Reset::kEnhanceYourCalm);
}

}  // namespace penstock::h2
