// What the proxy says to a client: the 200 of an established tunnel, or one refusal made from a
// row of error.def. Constant texts only: nothing that the client sent is ever reflected.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/time.h"

namespace penstock::http {

struct ServerTiming {
  Duration resolve;
  Duration dial;
};

// "HTTP/1.1 200 Connection Established" with Proxy-Status, and Server-Timing when asked for.
// No Content-Length, no Transfer-Encoding, no body (RFC 9110 section 9.3.6).
std::string established_reply(const std::optional<ServerTiming>& timing);

// Status line, Proxy-Status (RFC 9209), Connection: close, a text/plain body of one line.
// The error must have a status.
struct RefusalDetails {
  std::optional<int> retry_after{};  // seconds, for 503 and 429
  std::optional<Code> cause{};       // an earlier failure that is the reason for this one
  std::string_view behind{};         // members of Proxy-Status by proxies nearer to the origin
  std::string challenges{};          // for 407: whole Proxy-Authenticate fields, of our own words
  bool may_repeat = false;           // the client may ask again by this connection
};
std::string refusal_reply(const Error& error, const RefusalDetails& details = {});

// The same with another body; what is in it is the caller's to answer for (http/page.h).
struct RefusalBody {
  std::string_view type;      // Content-Type
  std::string_view fields{};  // more of them, each with its CR LF
  std::string_view text{};
  bool withheld = false;  // its length is said, and nothing follows: what HEAD is told
};
std::string refusal_with(const Error& error, const RefusalDetails& details,
                         const RefusalBody& body);

// RFC 9110 section 15, RFC 6585 for 429 and 431. Empty for a status that no row of error.def has.
std::string_view reason_phrase(int status);

}  // namespace penstock::http
