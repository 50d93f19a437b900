#include "session/shown_answer.h"

#include <string>
#include <utility>

#include "base/bytes.h"
#include "icap/heads.h"
#include "session/connection.h"
#include "session/hear.h"

namespace penstock::session {
namespace {

Adaptation::Message message_of(const http::ForwardRequest& request,
                               const http::ForwardAnswer& answer) {
  const std::string_view head = answer.head;
  const size_t first = head.find("\r\n") + 2;
  return {.request = icap::shown_head(request),
          .answer = icap::shown_head(answer),
          .path = request.path,
          .body = answer.body,
          .length = http::body_bytes(head.substr(first, head.size() - first - 2), answer.body)};
}

}  // namespace

ShownAnswer::ShownAnswer(Connection& c, icap::ServicePtr service, http::ForwardAnswer answer,
                         std::string_view behind, bool may_persist)
    : c_(c),
      answer_(std::move(answer)),
      may_persist_(may_persist),
      raw_(behind.begin(), behind.end()),
      adaptation_(c, std::move(service), message_of(c.forward->request, answer_), c.origin, raw_) {}

ShownAnswer::Verdict ShownAnswer::pump(Instant now) {
  switch (adaptation_.pump(now)) {
    case Adaptation::State::kWorking: return Verdict::kUnknown;
    case Adaptation::State::kUnmodified: return Verdict::kOrigins;
    case Adaptation::State::kFailed: return judge_failed();
    case Adaptation::State::kChanged: break;
  }
  if (const auto wrong = take_changed()) {
    adaptation_.reject(*wrong);
    return judge_failed();
  }
  return Verdict::kServices;
}

ShownAnswer::Verdict ShownAnswer::judge_failed() {
  if (adaptation_.may_bypass()) {
    adaptation_.note(Adapted::kBypassed);
    return Verdict::kOrigins;
  }
  const Error why = error();
  if (why.facts().side != Side::kOrigin) {
    adaptation_.note(why.code == Code::kIcapBlocked ? Adapted::kAnswered : Adapted::kFailed);
  }
  return Verdict::kRefused;
}

std::optional<Error> ShownAnswer::take_changed() {
  auto changed = icap::read_answer(adaptation_.head(), adaptation_.has_body(), c_.forward->request,
                                   may_persist_, head_limits(c_), c_.worker.pseudonym());
  if (!changed) return changed.error();
  adaptation_.note(Adapted::kModified);
  changed->answer.origin_persists = answer_.origin_persists;
  answer_ = std::move(changed->answer);
  promised_ = changed->promised;
  changed_ = true;
  return std::nullopt;
}

std::vector<uint8_t> ShownAnswer::take_body() {
  if (!changed_) return std::move(raw_);
  // HEAD has none, whatever the service says: it stays with the adaptation.
  return answer_.body.done() ? std::vector<uint8_t>() : adaptation_.take_rest();
}

bool ShownAnswer::end(bool clean) {
  const bool whole = adaptation_.fed();
  const bool nothing_left = adaptation_.take_rest().empty();
  adaptation_.give_back_rest();
  adaptation_.finish(clean && nothing_left);
  return whole && raw_.empty();
}

}  // namespace penstock::session
