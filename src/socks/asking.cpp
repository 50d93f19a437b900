#include "socks/asking.h"

#include "base/byte_fields.h"
#include "base/bytes.h"
#include "base/check.h"
#include "socks/wire.h"

namespace penstock::socks {
namespace {

using Bytes = std::span<const uint8_t>;

constexpr size_t kTextBytesMax = 255;

void append_sized(std::string& out, std::string_view text) {
  PENSTOCK_CHECK(!text.empty() && text.size() <= kTextBytesMax);
  out += static_cast<char>(text.size());
  out += text;
}

}  // namespace

std::string offer(bool with_password) {
  std::string out{static_cast<char>(kVersion), with_password ? '\2' : '\1',
                  static_cast<char>(Method::kAnonymous)};
  if (with_password) out += static_cast<char>(Method::kPassword);
  return out;
}

Reading<Method> read_choice(Bytes received) {
  if (received.empty()) return std::nullopt;
  if (received[0] != kVersion) return fail(Code::kParentProtocol);
  if (received.size() < 2) return std::nullopt;
  switch (const auto method = static_cast<Method>(received[1])) {
    case Method::kAnonymous:
    case Method::kPassword:
    case Method::kNone: return Taken<Method>{method, 2};
  }
  return fail(Code::kParentProtocol);
}

std::string log_in(std::string_view user, std::string_view password) {
  std::string out(1, static_cast<char>(kPasswordVersion));
  append_sized(out, user);
  append_sized(out, password);
  return out;
}

Reading<bool> read_verdict(Bytes received) {
  if (received.empty()) return std::nullopt;
  if (received[0] != kPasswordVersion) return fail(Code::kParentProtocol);
  if (received.size() < 2) return std::nullopt;
  return Taken<bool>{received[1] == 0, 2};
}

std::string ask(const http::Authority& target) {
  std::string out{static_cast<char>(kVersion), static_cast<char>(kConnect), '\0'};
  if (const auto& literal = target.literal) {
    out += static_cast<char>(literal->v6 ? kV6 : kV4);
    out += text_of(Bytes(literal->bytes).first(literal->v6 ? 16 : 4));
  } else {
    out += static_cast<char>(kName);
    append_sized(out, target.host);
  }
  out += static_cast<char>(target.port >> 8);
  out += static_cast<char>(target.port & 0xff);
  return out;
}

Reading<uint8_t> read_answer(Bytes received) {
  if (received.empty()) return std::nullopt;
  if (received[0] != kVersion) return fail(Code::kParentProtocol);
  if (received.size() < 2) return std::nullopt;
  const uint8_t reply = received[1];
  if (reply != 0) return Taken<uint8_t>{reply, 2};
  if (received.size() > 2 && received[2] != 0) return fail(Code::kParentProtocol);
  if (received.size() <= kAddressTypeAt) return std::nullopt;
  const uint8_t type = received[kAddressTypeAt];
  if (type != kV4 && type != kName && type != kV6) return fail(Code::kParentProtocol);
  ByteFields fields(received.subspan(kAddressTypeAt + 1));
  type == kName ? fields.vector(1) : fields.take(type == kV4 ? 4 : 16);
  fields.take(2);
  if (!fields.ok()) return std::nullopt;
  return Taken<uint8_t>{reply, received.size() - fields.left()};
}

Meaning meaning_of(uint8_t reply) {
  switch (static_cast<Reply>(reply)) {
    case Reply::kNotAllowed: return {Code::kParentDenied, "http_request_denied"};
    case Reply::kNetworkUnreachable: return {Code::kParentFailed, "destination_ip_unroutable"};
    case Reply::kHostUnreachable: return {Code::kParentFailed, "destination_unavailable"};
    case Reply::kRefused: return {Code::kParentFailed, "connection_refused"};
    case Reply::kTimedOut: return {Code::kParentTimeout, "connection_timeout"};
    default: return {Code::kParentSocks, "destination_unavailable"};
  }
}

}  // namespace penstock::socks
