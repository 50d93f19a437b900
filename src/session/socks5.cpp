// CONNECT by SOCKS5 (RFC 1928): a greeting, the choice of a way to authenticate, one request, one
// reply, and from there no SOCKS.
#include <memory>
#include <utility>

#include "session/connection.h"
#include "session/entrance.h"
#include "session/hear.h"
#include "socks/messages.h"

namespace penstock::session {
namespace {

using loop::Task;

// The next message, taken out of c.early.
template <class T>
Task<Result<T>> hear(Connection& c, Reading<T> (*read)(std::span<const uint8_t>)) {
  auto taken = co_await hear_message(c, read);
  if (!taken) co_return std::unexpected(taken.error());
  use_up(c, taken->length);
  co_return std::move(taken->message);
}

// User and password (RFC 1929), in the form that Basic has them.
Task<Result<http::Credentials>> hear_credentials(Connection& c) {
  const auto taken = co_await hear_message(c, socks::read_credentials);
  if (!taken) co_return std::unexpected(taken.error());
  const auto& [user, password] = taken->message;
  if (user.find(':') != user.npos) co_return fail(Code::kBadCredentials);
  std::string text;
  text.reserve(user.size() + 1 + password.size());
  text.append(user).append(":").append(password);
  http::Credentials out{http::AuthScheme::kBasic, Secret(text)};
  wipe(text);
  wipe_heard(c, taken->length);
  use_up(c, taken->length);
  co_return out;
}

// Once client and proxy have agreed on how to authenticate: refusals are replies to a request.
class Socks5 : public Entrance {
 public:
  std::string_view protocol() const override { return "socks5"; }

  Task<Result<Request>> read_request(Connection& c) const override {
    auto target = co_await hear(c, socks::read_request);
    if (target) co_return Request{std::move(*target)};
    if (auto sketch = socks::sketch_request(c.early); !sketch.empty()) {
      c.story.asked = std::make_unique<std::string>(std::move(sketch));
    }
    co_return std::unexpected(target.error());
  }

  std::string established(const Connection& /*c*/) const override {
    return socks::answer(socks::Reply::kSucceeded);
  }

  std::optional<std::string> refused(const Connection& c,
                                     const Refusal& /*refusal*/) const override {
    return socks::answer(socks::reply_for(*c.story.error));
  }
};

const Socks5& agreed() {
  static const Socks5 entrance;
  return entrance;
}

class Greeting final : public Socks5 {
 public:
  Task<Result<Request>> read_request(Connection& c) const override {
    const auto greeting = co_await hear(c, socks::read_greeting);
    if (!greeting) co_return std::unexpected(greeting.error());
    const auto& identity = c.config().identity;
    if (identity && identity->takes(http::AuthScheme::kBasic) && greeting->password) {
      co_return co_await read_behind_password(c);
    }
    if (!greeting->anonymous) co_return fail(Code::kSocksMethod);
    if (const auto failed = co_await say(c, socks::choose(socks::Method::kAnonymous))) {
      co_return std::unexpected(*failed);
    }
    c.entrance = &agreed();
    co_return co_await agreed().read_request(c);
  }

  // The password is taken as it is and judged in its step, with the request: who was wrong is told
  // so by the reply to that.
  static Task<Result<Request>> read_behind_password(Connection& c) {
    if (const auto failed = co_await say(c, socks::choose(socks::Method::kPassword))) {
      co_return std::unexpected(*failed);
    }
    auto credentials = co_await hear_credentials(c);
    if (!credentials) co_return std::unexpected(credentials.error());
    if (const auto failed = co_await say(c, socks::password_answer(true))) {
      co_return std::unexpected(*failed);
    }
    c.entrance = &agreed();
    auto request = co_await agreed().read_request(c);
    if (request) request->credentials = std::move(*credentials);
    co_return request;
  }

  static Task<std::optional<Error>> say(Connection& c, std::string words) {
    loop::Timer timer(c.worker.loop());
    timer.arm(head_deadline(c));
    const int error = co_await loop::write_all(c.worker.loop(), c.client, words, timer);
    if (error != 0) co_return Error{Code::kClientGone, error};
    co_return std::nullopt;
  }

  // There is no request yet to reply to.
  std::optional<std::string> refused(const Connection& c,
                                     const Refusal& /*refusal*/) const override {
    const Code why = c.story.error->code;
    if (why != Code::kSocks4 && why != Code::kSocksMethod && why != Code::kSocksNotSpoken)
      return std::nullopt;
    const bool version4 = !c.early.empty() && c.early[0] == socks::kVersion4;
    return version4 ? socks::refuse_version4() : socks::choose(socks::Method::kNone);
  }
};

}  // namespace

const Entrance& socks5() {
  static const Greeting entrance;
  return entrance;
}

}  // namespace penstock::session
