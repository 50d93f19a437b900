#include "session/identify.h"

#include <memory>
#include <utility>
#include <variant>

#include "identity/book.h"
#include "identity/desk.h"
#include "loop/bell.h"
#include "observe/probes.h"
#include "session/entrance.h"
#include "session/hear.h"

namespace penstock::session {

namespace probe = observe::probe;
using identity::Desk;
using loop::Task;

namespace {

using Failure = std::optional<Error>;

void count(Connection& c, identity::Provider provider, LoginResult result) {
  c.worker.metrics().logins[static_cast<size_t>(provider)][static_cast<size_t>(result)].add();
}

LoginResult result_of(Code refused) {
  switch (refused) {
    case Code::kLoginRate: return LoginResult::kLimited;
    case Code::kIdentityBusy: return LoginResult::kBusy;
    case Code::kKeysMissing:
    case Code::kAuthorizerFailed: return LoginResult::kFailed;
    default: return LoginResult::kRejected;
  }
}

// What operators need to know of a refusal, and nothing that was sent.
void say_why(Connection& c, const identity::Checker& checker, Code refused, std::string_view why) {
  if (why.empty()) return;
  const bool ours = facts(refused).status == 503;
  c.worker.trouble().say(ours ? observe::Level::kWarning : observe::Level::kInfo,
                         std::string(identity::provider_word(checker.provider())) + ": " +
                             c.story.client.address.text() + ": " + std::string(why));
}

Task<Result<identity::IdentityPtr>> ask_desk(Connection& c, const identity::CheckerPtr& checker,
                                             const identity::Claim& claim) {
  loop::Loop& loop = c.worker.loop();
  loop::Bell bell(loop);
  const Instant now = loop.now();
  const Instant deadline = deadline_after(now, c.config().timeouts.identify);
  const auto asked = c.worker.desk().ask({.checker = checker,
                                          .claim = claim,
                                          .failures = c.config().limits.failed_logins,
                                          .now = now,
                                          .deadline = deadline},
                                         bell.ringer());
  if (const auto* known = std::get_if<identity::IdentityPtr>(&asked)) {
    count(c, checker->provider(), LoginResult::kCached);
    co_return *known;
  }
  if (const auto* denial = std::get_if<admission::Denial>(&asked)) {
    count(c, checker->provider(), result_of(denial->error.code));
    co_return std::unexpected(c.story.deny(*denial));
  }
  const auto check = std::get<Desk::CheckPtr>(asked);
  loop::Timer timer(loop);
  timer.arm(deadline);
  co_await bell.wait(timer);
  const auto answer = c.worker.desk().answer(check);
  Result<identity::IdentityPtr> who = answer ? answer->who : fail(Code::kIdentityBusy);
  count(c, checker->provider(), who ? LoginResult::kAccepted : result_of(who.error().code));
  if (!who && answer) say_why(c, *checker, who.error().code, answer->why);
  co_return who;
}

// The credentials are wiped.
Task<Failure> identify(Connection& c, Request& request) {
  const identity::Book& book = *c.config().identity;
  c.story.login = {};
  if (request.credentials) c.story.login = book.considered(request.credentials->scheme);
  const auto* shown = c.secured && c.secured->certificate ? &*c.secured->certificate : nullptr;
  const identity::Opinion opinion = book.opinion({c.story.client.address, shown, c.story.login});
  if (opinion.who) {
    count(c, opinion.by, LoginResult::kAccepted);
    c.who = opinion.who;
    co_return std::nullopt;
  }
  Failure failure;
  if (opinion.refused) failure = Error{*opinion.refused};
  const Instant began = c.worker.loop().now();
  const std::string listener = c.listener().address.text();
  const std::string authority = c.story.target.text();
  const identity::Claim claim{
      .scheme = c.story.login,
      .secret = c.story.login ? request.credentials->secret.view() : std::string_view(),
      .client = c.story.client.address,
      .listener = listener,
      .method = c.asker().method,
      .authority = authority};
  for (const identity::CheckerPtr& checker : opinion.checkers) {
    const auto who = co_await ask_desk(c, checker, claim);
    if (who) {
      c.who = *who;
      failure.reset();
      break;
    }
    failure = who.error();
    // Whoever must wait is not let through to the next.
    if (failure->facts().status != 407) break;
  }
  if (request.credentials) request.credentials->secret = Secret();
  if (c.story.login || !opinion.checkers.empty()) {
    c.story.times.identify.add(began, c.worker.loop().now());
  }
  // There is nothing to send that would help.
  if (failure && failure->facts().status == 407 && !book.takes_any()) {
    failure = Error{Code::kAuthorizerDenied};
  }
  co_return failure;
}

// By which way it came in, and what it asks for.
Task<Result<Request>> read_request(Connection& c) {
  if (!c.entrance) {
    const auto entrance = co_await way_in(c);
    if (!entrance) co_return std::unexpected(entrance.error());
    c.entrance = *entrance;
  }
  co_return co_await c.entrance->read_request(c);
}

// 2. Who asks? By address, certificate or credentials.
Task<Failure> find_out_who(Connection& c, Request& request) {
  c.story.step = Step::kIdentify;
  if (c.inside) {
    c.who = c.inside->who;  // whoever opened the tunnel
    co_return std::nullopt;
  }
  if (!c.config().identity) co_return std::nullopt;
  co_return co_await identify(c, request);
}

}  // namespace

Task<Failure> hear_request(Connection& c) {
  Instant began = c.story.accepted;
  if (!c.entrance && c.secured) began += c.secured->took;
  auto request = co_await read_request(c);
  if (c.is_trunk) co_return request ? Failure() : request.error();
  c.story.times.head.add(began, c.worker.loop().read_clock());
  if (request) {
    c.story.target = std::move(request->target);
    c.may_repeat = request->may_repeat;
    if (request->forward) c.forward = std::make_unique<Forwarding>(std::move(*request->forward));
  }
  probe::head(c.step_end(c.story.times.head.value(), probe::word(request)));
  if (!request) co_return request.error();
  co_return co_await find_out_who(c, *request);
}

}  // namespace penstock::session
