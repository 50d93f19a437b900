// HTTP/2 (RFC 9113): one stream, one request, one answer, and one tunnel where it was a CONNECT.
// Requests that are forwarded are read as HTTP/1.1 would have them, and all answers are put in its
// words first.
#include "session/http2.h"

#include <utility>

#include "base/ascii.h"
#include "http/request_parts.h"
#include "session/connection.h"
#include "session/entrance.h"
#include "session/hear.h"
#include "session/trunk.h"

namespace penstock::session {
namespace {

using loop::Task;

constexpr std::string_view kHeadEnd = "\r\n\r\n";

// Behind its pseudo-field.
std::vector<h2::Field> fields_of(std::string_view head) {
  constexpr size_t kStatusAt = std::string_view("HTTP/1.1 ").size();
  std::vector<h2::Field> out = {{":status", std::string(head.substr(kStatusAt, 3))}};
  append_fields(out, head);
  return out;
}

class Http2 final : public Entrance {
 public:
  std::string_view protocol() const override { return "h2"; }

  Task<Result<Request>> read_request(Connection& c) const override {
    const auto asked = Http2Stream::of(c)->take_asked();
    auto request = understand(c, std::move(asked->request));
    if (!request) c.story.asked = std::make_unique<std::string>(std::move(asked->sketch));
    co_return request;
  }

  std::string established(const Connection& c) const override {
    Http2Stream::of(c)->answer(http1().established(c), true);
    return {};
  }

  std::string answered(const Connection& c, std::string head, bool whole) const override {
    constexpr size_t kClass = std::string_view("HTTP/1.1 ").size();
    if (head[kClass] == '1') {
      Http2Stream::of(c)->inform(head);
    } else if (whole) {
      Http2Stream::of(c)->answer_whole(head);
    } else {
      Http2Stream::of(c)->answer(head, true);
    }
    return {};
  }

  // The head goes its own way; the text behind it is the stream's.
  std::optional<std::string> refused(const Connection& c, const Refusal& refusal) const override {
    const auto reply = http1().refused(c, refusal);
    if (!reply) return std::nullopt;
    Http2Stream::of(c)->answer(*reply, false);
    return reply->substr(reply->find(kHeadEnd) + kHeadEnd.size());
  }

 private:
  static Result<Request> understand(const Connection& c, Result<h2::Request> asked) {
    if (!asked) return std::unexpected(asked.error());
    if (asked->tunnel()) {
      if (c.inside) return fail(Code::kMethodUnsupported);
      return Request{std::move(asked->target), std::move(asked->credentials)};
    }
    auto forward =
        http::parse_forward(asked->head, head_limits(c), c.worker.pseudonym(),
                            http::Carrier::kStream, c.inside ? &c.inside->target : nullptr);
    if (!forward) return std::unexpected(forward.error());
    Request out{forward->target, std::move(asked->credentials)};
    out.forward = std::make_unique<http::ForwardRequest>(std::move(*forward));
    return out;
  }
};

}  // namespace

const Entrance& http2() {
  static const Http2 entrance;
  return entrance;
}

void append_fields(std::vector<h2::Field>& out, std::string_view head) {
  const size_t first = head.find("\r\n") + 2;
  std::string_view lines = head.substr(first, head.find(kHeadEnd) + 2 - first);
  for (http::Field field; http::take_field(lines, field);) {
    std::string name = lower(field.name);
    if (name != "connection" && name != "transfer-encoding") {
      out.push_back({std::move(name), std::string(field.value)});
    }
  }
}

Http2Stream::Http2Stream(Trunk& trunk, h2::StreamId id, Asked asked)
    : Http2End(trunk, id),
      asked_(std::make_unique<Asked>(std::move(asked))),
      trunk_number_(trunk.number()) {
  trunk.enter(*this);
}

Http2Stream::~Http2Stream() {
  if (carrier_ == nullptr) return;
  part(last_word());
  static_cast<Trunk*>(carrier_)->leave(*this);
}

// RFC 9113: section 8.1 for an answer that is complete before the request is, section 8.5 for what
// has become of a tunnel.
h2::Reset Http2Stream::last_word() const {
  if (end_said_ && !resetting_) return h2::Reset::kNoError;
  return granted_ ? h2::Reset::kConnectError : h2::Reset::kCancel;
}

Http2Stream* Http2Stream::of(const Connection& c) {
  if (c.entrance != &http2()) return nullptr;
  loop::Transport* lowest = c.client.transport();
  while (loop::Transport* const below = lowest->below()) lowest = below;
  return static_cast<Http2Stream*>(lowest);
}

// SAFETY: whoever carries it was given to the constructor as a Trunk.
h2::Session& Http2Stream::session() const {
  return static_cast<Trunk*>(carrier_)->session();
}

void Http2Stream::inform(std::string_view head) {
  if (carrier_ == nullptr || closed_) return;
  session().inform(id_, fields_of(head));
  carrier_->wake();
}

void Http2Stream::answer(std::string_view head, bool granted) {
  granted_ = granted;
  refused_ = !granted;
  if (carrier_ == nullptr || closed_) return;
  session().answer(id_, fields_of(head));
  carrier_->wake();
}

void Http2Stream::answer_whole(std::string_view head) {
  granted_ = true;
  ending_ = true;
  if (carrier_ == nullptr || closed_) return;
  session().answer(id_, fields_of(head), true);
  carrier_->wake();
}

// Whoever is refused is heard out until it has been told so.
void Http2Stream::received(std::span<const uint8_t> bytes) {
  if (refused_) {
    session().consumed(id_, bytes.size());
    return;
  }
  Http2End::received(bytes);
}

h2::Stream::Piece Http2Stream::send(std::span<uint8_t> into) {
  Piece piece = Http2End::send(into);
  if (piece.end && refused_) announce(loop::kReadable);
  return piece;
}

}  // namespace penstock::session
