#include "session/entrance.h"
#include "session/hear.h"
#include "socks/messages.h"

namespace penstock::session {

using config::Protocol;

namespace {

// No method of HTTP/1.1 may be called so (RFC 9113 section 3.4).
constexpr std::string_view kPrefaceBegins = "PRI ";

}  // namespace

loop::Task<Result<const Entrance*>> way_in(Connection& c) {
  if (c.listener().transparent != config::Transparent::kNo) co_return &transparent();
  if (c.secured && c.secured->alpn == "h2") co_return &http2_trunk();
  const bool preface_known =
      c.listener().speaks(Protocol::kHttp2) && (!c.secured || c.secured->alpn.empty());
  while (c.early.empty() || (preface_known && heard(c).size() < kPrefaceBegins.size() &&
                             kPrefaceBegins.starts_with(heard(c)))) {
    if (const auto failed = co_await hear_more(c, head_deadline(c))) {
      co_return std::unexpected(*failed);
    }
  }
  if (preface_known && heard(c).starts_with(kPrefaceBegins)) co_return &http2_trunk();
  // No request of HTTP begins with these: methods are letters.
  const uint8_t first = c.early.front();
  const bool socks = first == socks::kVersion || first == socks::kVersion4;
  const Entrance& entrance = socks ? socks5() : http1();
  if (!c.listener().speaks(socks ? Protocol::kSocks5 : Protocol::kHttp1)) {
    c.entrance = &entrance;  // so that it is told in words that it understands
    if (socks) co_return fail(Code::kSocksNotSpoken);
    const bool newer = c.listener().speaks(Protocol::kHttp2);
    co_return fail(newer ? Code::kHttp1NotSpoken : Code::kHttpNotSpoken);
  }
  co_return &entrance;
}

}  // namespace penstock::session
