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

// Collects what `read` can read, and takes it out of c.early.
template <class T>
Task<Result<T>> hear(Connection& c, Reading<T> (*read)(std::span<const uint8_t>)) {
  for (;;) {
    auto reading = read(c.early);
    if (!reading) co_return std::unexpected(reading.error());
    if (*reading) {
      use_up(c, (*reading)->length);
      co_return std::move((*reading)->message);
    }
    if (const auto failed = co_await hear_more(c, head_deadline(c))) {
      co_return std::unexpected(*failed);
    }
  }
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

  std::string refused(const Connection& c, std::optional<int> /*retry_after*/) const override {
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
    if (!greeting->anonymous) co_return fail(Code::kSocksMethod);
    loop::Timer timer(c.worker.loop());
    timer.arm(head_deadline(c));
    const std::string choice = socks::choose(socks::Method::kAnonymous);
    if (const int error = co_await loop::write_all(c.worker.loop(), c.client, choice, timer)) {
      co_return fail(Code::kClientGone, error);
    }
    c.entrance = &agreed();
    co_return co_await agreed().read_request(c);
  }

  // There is no request yet to reply to.
  std::string refused(const Connection& c, std::optional<int> /*retry_after*/) const override {
    const Code why = c.story.error->code;
    if (why != Code::kSocks4 && why != Code::kSocksMethod && why != Code::kSocksNotSpoken)
      return {};
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
