// HTTP/2 (RFC 9113): one stream, one request, one answer, and one tunnel where it was a CONNECT.
// Requests that are forwarded are read as HTTP/1.1 would have them, and all answers are put in its
// words first.
#include "session/http2.h"

#include <algorithm>
#include <cerrno>
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

// The same fields, without what is about a connection of HTTP/1.1.
std::vector<h2::Field> fields_of(std::string_view head) {
  std::vector<h2::Field> out;
  constexpr size_t kStatusAt = std::string_view("HTTP/1.1 ").size();
  out.push_back({":status", std::string(head.substr(kStatusAt, 3))});
  const size_t first = head.find("\r\n") + 2;
  std::string_view lines = head.substr(first, head.find(kHeadEnd) + 2 - first);
  for (http::Field field; http::take_field(lines, field);) {
    std::string name = lower(field.name);
    if (name != "connection") out.push_back({std::move(name), std::string(field.value)});
  }
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

  std::string answered(const Connection& c, std::string head) const override {
    constexpr size_t kClass = std::string_view("HTTP/1.1 ").size();
    if (head[kClass] == '1') {
      Http2Stream::of(c)->inform(head);
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

size_t Http2Stream::Queue::take(std::span<uint8_t> into) {
  const size_t count = std::min(into.size(), size());
  std::copy_n(bytes.begin() + static_cast<ptrdiff_t>(at), count, into.begin());
  at += count;
  if (at == bytes.size()) *this = {};
  return count;
}

void Http2Stream::Queue::put(std::span<const uint8_t> more) {
  if (at > bytes.size() / 2) {  // so that each byte is moved once
    bytes.erase(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(at));
    at = 0;
  }
  bytes.insert(bytes.end(), more.begin(), more.end());
}

Http2Stream::Http2Stream(Trunk& trunk, h2::StreamId id, Asked asked)
    : trunk_(&trunk),
      asked_(std::make_unique<Asked>(std::move(asked))),
      trunk_number_(trunk.number()),
      id_(id) {
  trunk.enter(*this);
}

Http2Stream::~Http2Stream() {
  if (trunk_ == nullptr) return;
  if (!closed_) {
    trunk_->session().forget(id_);
    // Both have ended, and it closes by itself.
    if (!has_ended() || resetting_) trunk_->session().reset(id_, last_word());
    trunk_->wake();
  }
  trunk_->leave(*this);
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

void Http2Stream::follow(loop::Stream& stream) {
  source_ = &stream.source();
  announce(loop::kWritable);
  if (incoming_.size() > 0) announce(loop::kReadable);
  if (client_ended_) announce(loop::kReadable | loop::kHangup);
  if (error_ != 0) break_off(error_);
}

void Http2Stream::announce(uint8_t bits) {
  if (source_ != nullptr) source_->announce(bits);
}

void Http2Stream::break_off(int why) {
  error_ = why;
  outgoing_ = {};
  announce(loop::kReadable | loop::kWritable | loop::kHangup | loop::kBroken);
}

void Http2Stream::lose_trunk(int why) {
  trunk_ = nullptr;
  unlink();
  if (error_ == 0 && !has_ended()) break_off(why);
}

void Http2Stream::inform(std::string_view head) {
  if (trunk_ == nullptr || closed_) return;
  trunk_->session().inform(id_, fields_of(head));
  trunk_->wake();
}

void Http2Stream::answer(std::string_view head, bool granted) {
  granted_ = granted;
  refused_ = !granted;
  if (trunk_ == nullptr || closed_) return;
  trunk_->session().answer(id_, fields_of(head));
  trunk_->wake();
}

// What has come is read in front of an error, as from a socket.
loop::Moved Http2Stream::read(std::span<uint8_t> into) {
  if (const size_t count = incoming_.take(into)) {
    if (trunk_ != nullptr && !closed_) {
      trunk_->session().consumed(id_, count);
      trunk_->wake();
    }
    return {static_cast<long>(count)};
  }
  if (error_ != 0) return {-error_};
  // Whoever is refused is heard out until it has been told so.
  return {(refused_ ? end_said_ : client_ended_) ? 0 : -EAGAIN};
}

loop::Moved Http2Stream::write(std::span<const uint8_t> from) {
  if (error_ != 0) return {-error_};
  const size_t count = std::min(from.size(), kUnsentMax - outgoing_.size());
  if (count == 0) return {-EAGAIN};
  outgoing_.put(from.first(count));
  say_more();
  return {static_cast<long>(count)};
}

bool Http2Stream::shutdown_write() {
  if (error_ != 0) return true;
  if (!ending_) {
    ending_ = true;
    say_more();
  }
  return end_said_;
}

void Http2Stream::say_more() {
  if (trunk_ == nullptr) return;
  trunk_->session().resume(id_);
  trunk_->wake();
}

void Http2Stream::received(std::span<const uint8_t> bytes) {
  if (refused_) {
    trunk_->session().consumed(id_, bytes.size());
    return;
  }
  incoming_.put(bytes);
  announce(loop::kReadable);
}

void Http2Stream::ended() {
  client_ended_ = true;
  announce(loop::kReadable | loop::kHangup);
}

void Http2Stream::closed(h2::Reset /*why*/) {
  closed_ = true;
  if (!has_ended()) break_off(ECONNRESET);
}

h2::Stream::Piece Http2Stream::send(std::span<uint8_t> into) {
  const size_t count = outgoing_.take(into);
  end_said_ = ending_ && outgoing_.size() == 0;
  if (count > 0 || end_said_) announce(loop::kWritable);
  if (end_said_ && refused_) announce(loop::kReadable);
  return {count, end_said_};
}

}  // namespace penstock::session
