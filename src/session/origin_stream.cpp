#include "session/origin_stream.h"

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "session/http2.h"
#include "session/origin_trunks.h"

namespace penstock::session {
namespace {

std::string take_field_of(std::vector<h2::Field>& fields, std::string_view name) {
  const auto found = std::ranges::find(fields, name, &h2::Field::name);
  if (found == fields.end()) return {};
  std::string value = std::move(found->value);
  fields.erase(found);
  return value;
}

// RFC 9113 section 8.3.1. `head` has been written by http::parse_forward().
std::vector<h2::Field> request_fields(std::string_view head, bool trailers) {
  std::vector<h2::Field> regular;
  append_fields(regular, head);
  const size_t method = head.find(' ');
  const size_t path = head.find(' ', method + 1);
  std::vector<h2::Field> out = {{":method", std::string(head.substr(0, method))},
                                {":scheme", "https"},
                                {":authority", take_field_of(regular, "host")},
                                {":path", std::string(head.substr(method + 1, path - method - 1))}};
  std::ranges::move(regular, std::back_inserter(out));
  if (trailers) out.push_back({"te", "trailers"});
  return out;
}

}  // namespace

OriginStream::OriginStream(OriginTrunk& trunk) : Http2End(trunk, 0), peer_(trunk.peer()) {
  trunk.enter(*this);
}

OriginStream::~OriginStream() {
  if (carrier_ == nullptr) return;
  if (id_ != 0) part(h2::Reset::kCancel);
  trunk().leave(*this, asked_);
}

// SAFETY: whoever carries it was given to the constructor as an OriginTrunk.
OriginTrunk& OriginStream::trunk() const {
  return *static_cast<OriginTrunk*>(carrier_);
}

int OriginStream::socket() const {
  return carrier_ ? trunk().socket() : -1;
}

void OriginStream::ask(std::string_view head, Manner manner) {
  ending_ = manner.whole;
  asked_ = true;
  if (carrier_ == nullptr) {  // it has gone since there was a place
    failure_ = Code::kStreamRefused;
    return;
  }
  id_ = trunk().session().request(request_fields(head, manner.trailers), manner.whole, *this);
  trunk().note_asked();
  if (id_ == 0) {  // it takes no more since there was a place
    closed_ = true;
    failure_ = Code::kStreamRefused;
    return break_off(ECONNREFUSED);
  }
  carrier_->wake();
}

loop::Moved OriginStream::read(std::span<uint8_t> into) {
  const size_t count = std::min(into.size(), heads_.size() - heads_at_);
  if (count == 0) return Http2End::read(into);
  std::ranges::copy(bytes_of(std::string_view(heads_).substr(heads_at_, count)), into.begin());
  heads_at_ += count;
  if (heads_at_ == heads_.size()) {
    heads_ = {};
    heads_at_ = 0;
  }
  return {static_cast<long>(count)};
}

loop::Moved OriginStream::write(std::span<const uint8_t> from) {
  if (takes_no_more_) return {-EPIPE};
  const loop::Moved moved = Http2End::write(from);
  has_taken_ = has_taken_ || moved.bytes();
  return moved;
}

void OriginStream::lose_trunk(Code why) {
  if (failure_ == Code::kResponseIncomplete) failure_ = why;
  if (peer_ended_) stop_asking();
  lose_carrier(ECONNABORTED);
}

void OriginStream::stop_asking() {
  takes_no_more_ = end_said_ = true;
  outgoing_ = {};
  announce(loop::kWritable);
}

// Heads are not counted against the window: whoever sends more of them than anybody reads is cut.
void OriginStream::answered(h2::Answer answer, bool last) {
  if (heads_.size() - heads_at_ > kUnsentMax) {
    carrier_->link().forget(id_);
    carrier_->link().reset(id_, h2::Reset::kEnhanceYourCalm);
    return spoilt(Code::kResponseTooLarge);
  }
  heads_ += answer.head;
  whole_ = last;
  announce(loop::kReadable);
}

void OriginStream::spoilt(Code why) {
  closed_ = true;
  failure_ = why;
  incoming_ = {};
  break_off(EPROTO);
}

void OriginStream::closed(h2::Reset why) {
  closed_ = true;
  if (has_ended()) return;
  if (peer_ended_) {  // RFC 9113 section 8.1: it has answered, and wants no more of the request
    return stop_asking();
  }
  wants_http1_ = why == h2::Reset::kHttp11Required;
  failure_ =
      why == h2::Reset::kRefusedStream || wants_http1_ ? Code::kStreamRefused : Code::kStreamReset;
  break_off(ECONNRESET);
}

}  // namespace penstock::session
