// The messages of SOCKS5 as bytes (RFC 1928), user name and password among them (RFC 1929). What a
// client asks for becomes the same http::Authority as the target of a CONNECT, by the same parse.
// Pure functions, any thread. Cost: linear in the message, 513 bytes at most; only the target of a
// request is allocated.
//
// A read function is given all bytes received so far that no message before has taken. It answers
// nothing while the message is not all there, and refuses as soon as the bytes allow; bytes behind
// the message are not looked at, and the answer does not depend on how the bytes were cut.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/reading.h"
#include "http/authority.h"

namespace penstock::socks {

inline constexpr uint8_t kVersion = 5;
inline constexpr uint8_t kVersion4 = 4;

// RFC 1928 section 3: which ways to authenticate the client offers, of those known here.
struct Greeting {
  bool anonymous = false;
  bool password = false;
};
Reading<Greeting> read_greeting(std::span<const uint8_t> received);

// RFC 1929 section 2. Views into `received`; bytes as sent.
struct Credentials {
  std::string_view user;
  std::string_view password;
};
Reading<Credentials> read_credentials(std::span<const uint8_t> received);

// RFC 1928 section 4. CONNECT is the only command.
Reading<http::Authority> read_request(std::span<const uint8_t> received);

// A request that was refused, for the log: "CONNECT name:port" as far as it came. Printable ASCII
// without spaces, user information left out; empty where there is nothing to show. Never used for a
// decision.
std::string sketch_request(std::span<const uint8_t> received);

enum class Method : uint8_t { kAnonymous = 0, kPassword = 2, kNone = 0xff };
std::string choose(Method method);
std::string password_answer(bool right);

// RFC 1928 section 6. The bound address is 0.0.0.0:0 always: the address that we connect from says
// how the network behind us is built, and to a client that asked for CONNECT it is of no use.
enum class Reply : uint8_t {
  kSucceeded = 0,
  kFailure = 1,
  kNotAllowed = 2,
  kNetworkUnreachable = 3,
  kHostUnreachable = 4,
  kRefused = 5,
  kTimedOut = 6,  // "TTL expired": what clients show for a destination that did not answer
  kCommandUnsupported = 7,
  kAddressTypeUnsupported = 8,
};
std::string answer(Reply reply);
Reply reply_for(const Error& error);

// To a SOCKS4 client: request rejected (its reply 91). It reads no other protocol's refusal.
std::string refuse_version4();

}  // namespace penstock::socks
