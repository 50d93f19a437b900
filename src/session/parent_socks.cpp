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
  Talk(Connection& c, loop::Timer& timer) : c_(c), timer_(timer) {}

  Task<Asked> say(std::string words) {
    if (const int error = co_await loop::write_all(c_.worker.loop(), c_.origin, words, timer_)) {
      co_return fail(error == ETIMEDOUT ? Code::kParentTimeout : Code::kParentProtocol, error);
    }
    co_return Asked();
  }

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
      if (const auto more = co_await hear_more(); !more) co_return std::unexpected(more.error());
    }
  }

  std::vector<uint8_t> rest() { return std::move(heard_); }
  // It has answered what it was not asked yet.
  bool hasty() const { return !heard_.empty(); }

 private:
  Task<Asked> hear_more() {
    loop::Loop& loop = c_.worker.loop();
    const auto buffer = c_.worker.relay().buffer();
    for (;;) {
      const loop::Moved moved = c_.origin.read(buffer);
      if (moved.bytes()) {
        heard_.insert(heard_.end(), buffer.data(), buffer.data() + moved.count);
        co_return Asked();
      }
      if (!moved.would_block()) co_return fail(Code::kParentProtocol, moved.error());
      if (timer_.expired()) co_return fail(Code::kParentTimeout);
      co_await loop::Wait(loop).on(c_.origin.source(), loop::kReadable).until(timer_);
    }
  }

  Connection& c_;
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
  Talk talk(c, timer);
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
