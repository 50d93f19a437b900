#include "session/streams.h"

#include <algorithm>
#include <utility>

#include "http/edit.h"
#include "session/http2.h"
#include "session/origin_stream.h"

namespace penstock::session {
namespace {

// What the rule takes out of a request, or puts in, is not to come by the back door.
void drop_edited(h2::Trailers& trailers, const http::FieldEdits& edits) {
  std::erase_if(trailers, [&edits](const h2::Field& field) {
    const std::string name = http::folded_name(field.name);
    return std::ranges::find(edits.removed, name) != edits.removed.end() ||
           std::ranges::any_of(edits.set, [&name](const http::FieldEdits::Set& set) {
             return http::folded_name(set.name) == name;
           });
  });
}

}  // namespace

bool ask_by_stream(Connection& c, std::string_view head) {
  OriginStream* const stream = c.forward->stream;
  if (!stream) return false;
  const http::ForwardRequest& request = c.forward->request;
  stream->ask(head, {.whole = request.body.done(), .trailers = request.takes_trailers});
  c.story.up.first = c.story.up.last;
  c.story.up.copied += head.size();
  return true;
}

void end_request_of_stream(Connection& c, bool changed) {
  OriginStream* const stream = c.forward->stream;
  if (!stream) return;
  Http2Stream* const client = changed ? nullptr : Http2Stream::of(c);
  if (client) {
    if (!client->peer_has_ended()) return;
    h2::Trailers trailers = client->take_trailers();
    drop_edited(trailers, c.story.rule->inspect->edits);
    stream->trail(std::move(trailers));
  }
  stream->shutdown_write();
}

http::AnswerWay answer_way(const Connection& c) {
  const OriginStream* const stream = c.forward->stream;
  if (!stream) return {};
  return {http::Carrier::kStream, stream->is_answered_whole()};
}

Error no_answer(const Connection& c, int sys_errno) {
  const OriginStream* const stream = c.forward->stream;
  return Error{stream ? stream->failure() : Code::kResponseIncomplete, sys_errno};
}

bool end_answer(Connection& c, bool changed) {
  if (OriginStream* const stream = changed ? nullptr : c.forward->stream) {
    Http2Stream::of(c)->trail(stream->take_trailers());
  }
  return c.client.shutdown_write();
}

}  // namespace penstock::session
