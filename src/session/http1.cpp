// HTTP/1.1: CONNECT is one request head, one reply, and from there no HTTP. Any other method is a
// request to be forwarded.
#include <memory>
#include <utility>

#include "base/ascii.h"
#include "http/head.h"
#include "http/page.h"
#include "http/reply.h"
#include "http/request_parts.h"
#include "session/connection.h"
#include "session/entrance.h"
#include "session/hear.h"
#include "session/ledger.h"

namespace penstock::session {
namespace {

class Http1 final : public Entrance {
 public:
  std::string_view protocol() const override { return "http/1.1"; }

  loop::Task<Result<Request>> read_request(Connection& c) const override {
    const auto head = co_await hear_head(c);
    if (!head) co_return std::unexpected(head.error());
    auto request = parse(c, heard(c).substr(0, *head), head_limits(c));
    if (!request) {
      note_asked(c);
      co_return request;
    }
    if (request->credentials) wipe_heard(c, *head);
    use_up(c, *head);
    co_return request;
  }

  std::string established(const Connection& c) const override {
    std::optional<http::ServerTiming> timing;
    if (c.config().server_timing) {
      timing = http::ServerTiming{c.story.times.resolve.duration(), c.story.times.dial.duration()};
    }
    return http::established_reply(timing);
  }

  std::optional<std::string> refused(const Connection& c, const Refusal& refusal) const override {
    const Error& error = *c.story.error;
    if (error.facts().status == 0) return std::nullopt;
    const bool parents = c.story.parent && error.facts().side == Side::kParent;
    const http::RefusalDetails details{
        .retry_after = refusal.retry_after,
        .cause = c.story.cause,
        .behind = parents ? std::string_view(c.story.parent->proxy_status) : std::string_view(),
        .challenges = challenges(c),
        .may_repeat = refusal.goes_on};
    if (c.inside) return page(c, details);
    std::string reply = http::refusal_reply(error, details);
    // Nothing is a body behind the answer to HEAD (RFC 9110 section 9.3.2).
    if (asks_for_head(c)) reply.resize(reply.find("\r\n\r\n") + 4);
    return reply;
  }

 private:
  static Result<Request> parse(const Connection& c, std::string_view head,
                               http::HeadLimits limits) {
    return http::is_connect(head) ? parse_tunnel(head, limits) : parse_forward(c, head, limits);
  }

  static Result<Request> parse_tunnel(std::string_view head, http::HeadLimits limits) {
    auto request = http::parse_connect(head, limits);
    if (!request) return std::unexpected(request.error());
    return Request{.target = std::move(request->target),
                   .credentials = std::move(request->credentials),
                   .may_repeat = !request->http_1_0 && !request->close};
  }

  static Result<Request> parse_forward(const Connection& c, std::string_view head,
                                       http::HeadLimits limits) {
    auto request = http::parse_forward(head, limits, c.worker.pseudonym());
    if (!request) return std::unexpected(request.error());
    // Whose body was to follow may send it or not, once he has been refused.
    Request out{.target = request->target,
                .credentials = std::exchange(request->credentials, std::nullopt),
                .may_repeat = request->persists && request->body.done()};
    out.forward = std::make_unique<http::ForwardRequest>(std::move(*request));
    return out;
  }

  // Who asks inside a tunnel is no proxy's client, as far as it knows.
  static std::string page(const Connection& c, const http::RefusalDetails& details) {
    const std::string id = log_id(c);
    const bool faulty = c.story.error->code == Code::kOriginCertificate && c.inside->fault;
    return http::refusal_page(*c.story.error, {.accept = accepts(c),
                                               .host = c.inside->target.host,
                                               .id = id,
                                               .fault = faulty ? c.inside->fault : "",
                                               .head = asks_for_head(c),
                                               .refusal = details});
  }

  static std::string_view accepts(const Connection& c) {
    std::string_view lines = c.forward ? http::field_lines(c.forward->request) : "";
    for (http::Field field; http::take_field(lines, field);) {
      if (equals_ignoring_case(field.name, "accept")) return field.value;
    }
    return {};
  }

  static bool asks_for_head(const Connection& c) {
    if (c.forward) return c.forward->request.to_head;
    return c.story.asked && c.story.asked->starts_with("HEAD ");
  }

  static std::string challenges(const Connection& c) {
    const Error& error = *c.story.error;
    if (error.facts().status != 407 || !c.config().identity) return {};
    return c.config().identity->challenges(c.story.login, error.code);
  }
};

}  // namespace

const Entrance& http1() {
  static const Http1 entrance;
  return entrance;
}

}  // namespace penstock::session
