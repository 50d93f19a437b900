// The other side of SOCKS5 (RFC 1928, RFC 1929): what a server is asked, and its answers as bytes.
// Pure functions, any thread. Cost: linear in the message, 262 bytes at most; no allocation to
// read.
//
// A read function is given all bytes received so far that no message before has taken. It answers
// nothing while the message is not all there, and refuses (kParentProtocol) as soon as the bytes
// allow; bytes behind the message are not looked at, and the answer does not depend on how the
// bytes were cut.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/reading.h"
#include "http/authority.h"
#include "socks/messages.h"

namespace penstock::socks {

inline constexpr size_t kAnswerBytesMax = 262;

// The ways to authenticate that are offered: none, and by password where there is one.
std::string offer(bool with_password);
// Which of them the server takes; kNone: it takes none.
Reading<Method> read_choice(std::span<const uint8_t> received);

// Both of 1 to 255 bytes.
std::string log_in(std::string_view user, std::string_view password);
// Whether they are right.
Reading<bool> read_verdict(std::span<const uint8_t> received);

// CONNECT; a name is sent as one, for the server to look up.
std::string ask(const http::Authority& target);
// The reply code; 0: from here on it is the tunnel. The bound address is read over. Of a refusal
// nothing is waited for behind the code.
Reading<uint8_t> read_answer(std::span<const uint8_t> received);

// What a reply code other than 0 means to whoever asked by us.
struct Meaning {
  Code code;
  std::string_view proxy_status;  // an error type of RFC 9209
};
Meaning meaning_of(uint8_t reply);

}  // namespace penstock::socks
