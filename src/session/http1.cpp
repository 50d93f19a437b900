// CONNECT by HTTP/1.1: one request head, one reply, and from there no HTTP.
#include <memory>

#include "http/head.h"
#include "http/reply.h"
#include "session/connection.h"
#include "session/entrance.h"
#include "session/hear.h"

namespace penstock::session {
namespace {

class Http1 final : public Entrance {
 public:
  std::string_view protocol() const override { return "http/1.1"; }

  // Refuses as soon as the bytes allow, so that a stranger gets one small buffer and one short
  // clock.
  loop::Task<Result<Request>> read_request(Connection& c) const override {
    const http::HeadLimits limits = head_limits(c);
    http::HeadReader reader(limits);
    std::optional<Error> failure;
    while (!failure) {
      const auto complete = reader.advance(heard(c));
      if (!complete) {
        failure = complete.error();
      } else if (!*complete) {
        failure = co_await hear_more(c, head_deadline(c));
      } else {
        auto request = http::parse_connect(heard(c).substr(0, reader.length()), limits);
        if (request) {
          if (request->credentials) wipe_heard(c, reader.length());
          use_up(c, reader.length());
          co_return Request{.target = std::move(request->target),
                            .credentials = std::move(request->credentials),
                            .may_repeat = !request->http_1_0 && !request->close};
        }
        failure = request.error();
      }
    }
    const auto line = http::sketch_request_line(heard(c));
    c.story.asked =
        std::make_unique<std::string>(std::string(line.method) + " " + std::string(line.target));
    co_return std::unexpected(*failure);
  }

  std::string established(const Connection& c) const override {
    std::optional<http::ServerTiming> timing;
    if (c.config().server_timing) {
      timing = http::ServerTiming{c.story.times.resolve.duration(), c.story.times.dial.duration()};
    }
    return http::established_reply(timing);
  }

  std::string refused(const Connection& c, std::optional<int> retry_after) const override {
    const Error& error = *c.story.error;
    if (error.facts().status == 0) return {};
    const bool parents = c.story.parent && error.facts().side == Side::kParent;
    return http::refusal_reply(
        error,
        {.retry_after = retry_after,
         .cause = c.story.cause,
         .behind = parents ? std::string_view(c.story.parent->proxy_status) : std::string_view(),
         .challenges = challenges(c)});
  }

  std::string challenge(const Connection& c) const override {
    return http::refusal_reply(*c.story.error, {.challenges = challenges(c), .may_repeat = true});
  }

 private:
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
