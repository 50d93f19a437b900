#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/reading.h"
#include "session/parent_ways.h"
#include "socks/asking.h"

namespace penstock::session {

using loop::Task;
using Asked = Result<void>;

namespace {

// One conversation with a parent: what was heard of it and not yet read.
class Talk {
 public:
  Talk(Connection& c, const http::ProxyUrl& parent, loop::Timer& timer)
      : c_(c), parent_(parent), timer_(timer) {}

  Task<Asked> say(std::string words) { co_return co_await tell_parent(c_, words, timer_); }

  // Waits for a whole message, as `read` finds it at the front. No message takes more than one read
  // brings, so what was heard is bounded.
  template <class T>
  Task<Result<T>> hear(Reading<T> (*read)(std::span<const uint8_t>)) {
    for (;;) {
      auto reading = read(heard_);
      if (!reading) co_return std::unexpected(reading.error());
      if (*reading) {
        heard_ = {heard_.begin() + static_cast<ptrdiff_t>((*reading)->length), heard_.end()};
        co_return std::move((*reading)->message);
      }
      const auto more = co_await hear_parent(c_, parent_, timer_);
      if (!more) co_return std::unexpected(more.error());
      heard_.insert(heard_.end(), more->begin(), more->end());
    }
  }

  std::vector<uint8_t> rest() { return std::move(heard_); }
  // It has answered what it was not asked yet.
  bool hasty() const { return !heard_.empty(); }

 private:
  Connection& c_;
  const http::ProxyUrl& parent_;
  loop::Timer& timer_;
  std::vector<uint8_t> heard_;
};

Task<Asked> log_in(Talk& talk, const http::ProxyUrl& parent) {
  const std::string_view credentials = parent.credentials;
  if (auto said = co_await talk.say(socks::offer(!credentials.empty())); !said) co_return said;
  const auto method = co_await talk.hear(socks::read_choice);
  if (!method) co_return std::unexpected(method.error());
  if (talk.hasty()) co_return fail(Code::kParentProtocol);
  if (*method == socks::Method::kNone) co_return fail(Code::kParentAuth);
  if (*method == socks::Method::kAnonymous) co_return Asked();
  if (credentials.empty()) co_return fail(Code::kParentProtocol);  // it was not offered
  const size_t colon = credentials.find(':');
  auto said =
      co_await talk.say(socks::log_in(credentials.substr(0, colon), credentials.substr(colon + 1)));
  if (!said) co_return said;
  const auto right = co_await talk.hear(socks::read_verdict);
  if (!right) co_return std::unexpected(right.error());
  if (talk.hasty()) co_return fail(Code::kParentProtocol);
  if (!*right) co_return fail(Code::kParentAuth);
  co_return Asked();
}

}  // namespace

Task<Asked> ask_by_socks(Connection& c, const http::ProxyUrl& parent, loop::Timer& timer) {
  ParentNotes& notes = *c.story.parent;
  Talk talk(c, parent, timer);
  if (auto known = co_await log_in(talk, parent); !known) co_return known;
  if (auto said = co_await talk.say(socks::ask(c.story.target)); !said) co_return said;
  const auto answer = co_await talk.hear(socks::read_answer);
  if (!answer) co_return std::unexpected(answer.error());
  notes.fit = true;
  if (*answer != 0) {
    const socks::Meaning meaning = socks::meaning_of(*answer);
    notes.proxy_status = "\"parent\"; error=" + std::string(meaning.proxy_status) +
                         "; details=\"SOCKS reply " + std::to_string(*answer) + "\"";
    co_return fail(meaning.code);
  }
  notes.spoke_first = talk.rest();
  co_return Asked();
}

}  // namespace penstock::session
