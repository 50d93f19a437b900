#include "session/entrance.h"
#include "session/hear.h"
#include "socks/messages.h"

namespace penstock::session {

using config::Protocol;

loop::Task<Result<const Entrance*>> way_in(Connection& c) {
  if (c.listener().transparent != config::Transparent::kNo) co_return &transparent();
  if (c.early.empty()) {
    if (const auto failed = co_await hear_more(c, head_deadline(c))) {
      co_return std::unexpected(*failed);
    }
  }
  // No request of HTTP begins with these: methods are letters.
  const uint8_t first = c.early.front();
  const bool socks = first == socks::kVersion || first == socks::kVersion4;
  const Entrance& entrance = socks ? socks5() : http1();
  if (!c.listener().speaks(socks ? Protocol::kSocks5 : Protocol::kHttp)) {
    c.entrance = &entrance;  // so that it is told in words that it understands
    co_return fail(socks ? Code::kSocksNotSpoken : Code::kHttpNotSpoken);
  }
  co_return &entrance;
}

}  // namespace penstock::session
