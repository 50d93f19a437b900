#include "session/parent.h"

#include <ranges>

#include "base/ascii.h"
#include "base/bytes.h"
#include "http/answer.h"
#include "http/answer_fields.h"
#include "session/announcement.h"
#include "session/connection.h"
#include "session/parent_ways.h"

namespace penstock::session {

using loop::Task;
using Asked = Result<void>;

namespace {

constexpr uint64_t kRetryAfterMax = 24 * 3600;
constexpr size_t kMembersMax = 8;      // of a Proxy-Status that is passed on
constexpr size_t kDetailsBytes = 128;  // of each

std::string connect_request(const http::Authority& target, const http::ProxyUrl& parent) {
  const std::string authority = target.text();
  std::string out = "CONNECT " + authority + " HTTP/1.1\r\nHost: " + authority + "\r\n";
  if (const std::string said = parent.authorization(); !said.empty()) {
    out += "Proxy-Authorization: " + said + "\r\n";
  }
  return out + "\r\n";
}

// A string of RFC 8941 section 3.3.3 for what another proxy said: printable ASCII, and bounded.
std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text.substr(0, kDetailsBytes)) {
    if (c < 0x20 || c > 0x7e) continue;
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

// Written anew from what was understood of it, so that nothing else of the answer gets through.
std::string proxy_status_of(std::string_view head, int status) {
  std::string out;
  const auto members = http::proxy_statuses(head);
  for (const auto& member : members | std::views::take(kMembersMax)) {
    if (!out.empty()) out += ", ";
    out += quoted(member.proxy);
    if (!member.error.empty()) out += "; error=" + member.error;
    if (!member.details.empty()) out += "; details=" + quoted(member.details);
  }
  if (out.empty()) out = "\"parent\"; received-status=" + std::to_string(status);
  return out;
}

Code meaning_of(int status) {
  switch (status) {
    case 401:
    case 407: return Code::kParentAuth;
    case 403: return Code::kParentDenied;
    case 429:
    case 503: return Code::kParentBusy;
    case 504: return Code::kParentTimeout;
    default: return Code::kParentFailed;
  }
}

std::unexpected<Error> refused(ParentNotes& notes, std::string_view head, int status) {
  notes.proxy_status = proxy_status_of(head, status);
  if (const auto values = http::field_values(head, "retry-after"); values.size() == 1) {
    if (const auto seconds = parse_decimal(values[0], kRetryAfterMax)) {
      notes.retry_after = static_cast<int>(*seconds);
    }
  }
  return fail(meaning_of(status));
}

Task<Asked> read_answer(Connection& c, const http::ProxyUrl& parent, loop::Timer& timer) {
  http::AnswerReader reader;
  std::string received;
  for (;;) {
    const auto heard = co_await hear_parent(c, parent, timer);
    if (!heard) co_return std::unexpected(heard.error());
    received += text_of(*heard);
    const auto complete = reader.advance(received);
    if (!complete) co_return fail(Code::kParentProtocol);
    if (*complete) break;
  }
  c.story.parent->fit = true;
  const http::Answer answer = reader.answer(received);
  if (!answer.tunnel()) {
    const std::string_view head = http::final_head(received, answer.length);
    co_return refused(*c.story.parent, head, answer.status);
  }
  c.story.parent->spoke_first.assign(received.begin() + static_cast<ptrdiff_t>(answer.length),
                                     received.end());
  co_return Asked();
}

Task<Asked> ask_by_connect(Connection& c, const http::ProxyUrl& parent, loop::Timer& timer) {
  const std::string request = connect_request(c.story.target, parent);
  if (auto said = co_await tell_parent(c, request, timer); !said) co_return said;
  co_return co_await read_answer(c, parent, timer);
}

}  // namespace

Task<Asked> tell_parent(Connection& c, std::string_view words, loop::Timer& timer) {
  if (const int error = co_await loop::write_all(c.worker.loop(), c.origin, words, timer)) {
    co_return fail(error == ETIMEDOUT ? Code::kParentTimeout : Code::kParentProtocol, error);
  }
  co_return Asked();
}

Task<Result<std::span<const uint8_t>>> hear_parent(Connection& c, const http::ProxyUrl& parent,
                                                   loop::Timer& timer) {
  loop::Loop& loop = c.worker.loop();
  const auto buffer = c.worker.relay().buffer();
  for (;;) {
    const loop::Moved moved = c.origin.read(buffer);
    if (moved.bytes()) co_return buffer.first(static_cast<size_t>(moved.count));
    if (!moved.would_block()) {
      co_return std::unexpected(parent_read_failure(c, parent, moved.error()));
    }
    if (timer.expired()) co_return fail(Code::kParentTimeout);
    co_await loop::Wait(loop).on(c.origin.source(), loop::kReadable).until(timer);
  }
}

Task<Asked> ask_parent(Connection& c, const http::ProxyUrl& parent, Instant deadline) {
  if (c.story.announces() != policy::Announce::kNothing) {
    if (const auto failed = co_await announce_client(c)) co_return std::unexpected(*failed);
  }
  loop::Timer timer(c.worker.loop());
  timer.arm(deadline);
  if (parent.socks()) co_return co_await ask_by_socks(c, parent, timer);
  if (parent.secure()) {
    if (const auto failed = co_await secure_parent(c, parent, timer)) {
      co_return std::unexpected(*failed);
    }
  }
  co_return co_await ask_by_connect(c, parent, timer);
}

bool another_may_do(Code failure) {
  switch (failure) {
    case Code::kParentDenied:
    case Code::kParentFailed:
    case Code::kClientGone: return false;
    default: return true;
  }
}

}  // namespace penstock::session
