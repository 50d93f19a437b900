#include "socks/messages.h"

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/byte_fields.h"
#include "base/bytes.h"
#include "socks/wire.h"

namespace penstock::socks {
namespace {

using Bytes = std::span<const uint8_t>;

// What the bytes of a request in front of its address say against it, as far as they have come.
std::optional<Code> fault_of_start(Bytes start) {
  if (!start.empty() && start[0] != kVersion) return Code::kBadSocks;
  if (start.size() > 1 && start[1] != kConnect) return Code::kSocksCommand;
  if (start.size() > 2 && start[2] != 0) return Code::kBadSocks;
  if (start.size() <= kAddressTypeAt) return std::nullopt;
  const uint8_t type = start[kAddressTypeAt];
  if (type != kV4 && type != kName && type != kV6) return Code::kSocksAddressType;
  return std::nullopt;
}

Result<http::Authority> target_of_address(Bytes address, size_t port) {
  if (port == 0) return fail(Code::kBadPort);
  IpAddress literal;
  literal.v6 = address.size() == 16;
  std::ranges::copy(address, literal.bytes.begin());
  return http::Authority{literal.text(), literal, static_cast<uint16_t>(port)};
}

}  // namespace

Reading<Greeting> read_greeting(Bytes received) {
  if (received.empty()) return std::nullopt;
  if (received[0] == kVersion4) return fail(Code::kSocks4);
  if (received[0] != kVersion) return fail(Code::kBadSocks);
  ByteFields fields(received.subspan(1));
  const Bytes methods = fields.vector(1);
  if (!fields.ok()) return std::nullopt;
  const auto offers = [methods](Method method) {
    return std::ranges::find(methods, static_cast<uint8_t>(method)) != methods.end();
  };
  return Taken<Greeting>{{offers(Method::kAnonymous), offers(Method::kPassword)},
                         received.size() - fields.left()};
}

Reading<Credentials> read_credentials(Bytes received) {
  if (received.empty()) return std::nullopt;
  if (received[0] != kPasswordVersion) return fail(Code::kBadSocks);
  ByteFields fields(received.subspan(1));
  const Bytes user = fields.vector(1);
  if (fields.ok() && user.empty()) return fail(Code::kBadSocks);  // RFC 1929: 1 to 255 bytes
  const Bytes password = fields.vector(1);
  if (!fields.ok()) return std::nullopt;
  return Taken<Credentials>{{text_of(user), text_of(password)}, received.size() - fields.left()};
}

Reading<http::Authority> read_request(Bytes received) {
  if (const auto fault = fault_of_start(received.first(std::min<size_t>(received.size(), 4)))) {
    return fail(*fault);
  }
  if (received.size() <= kAddressTypeAt) return std::nullopt;
  const uint8_t type = received[kAddressTypeAt];
  ByteFields fields(received.subspan(kAddressTypeAt + 1));
  const Bytes address = type == kName ? fields.vector(1) : fields.take(type == kV4 ? 4 : 16);
  const size_t port = fields.number(2);
  if (!fields.ok()) return std::nullopt;
  // "host:port" is what CONNECT would say, so that no name has two readings: one with a NUL, a
  // colon or a space in it is refused, and an address that was sent as a name is that address.
  auto target =
      type == kName
          ? http::parse_authority(std::string(text_of(address)) + ":" + std::to_string(port))
          : target_of_address(address, port);
  if (!target) return std::unexpected(target.error());
  return Taken<http::Authority>{std::move(*target), received.size() - fields.left()};
}

std::string sketch_request(Bytes received) {
  constexpr std::array<std::string_view, 4> kCommands = {"", "CONNECT", "BIND", "UDP-ASSOCIATE"};
  ByteFields fields(received);
  fields.take(1);
  const size_t command = fields.number(1);
  if (!fields.ok() || command == 0 || command >= kCommands.size()) return {};
  std::string out(kCommands[command]);
  fields.take(1);
  const size_t type = fields.number(1);
  if (!fields.ok() || (type != kV4 && type != kName && type != kV6)) return out;
  const Bytes address = type == kName ? fields.vector(1) : fields.take(type == kV4 ? 4 : 16);
  const size_t port = fields.number(2);
  if (!fields.ok()) return out;
  if (type != kName) {
    const auto target = target_of_address(address, port);
    return target ? out + " " + target->text() : out;
  }
  std::string_view name = text_of(address);
  if (const size_t at = name.rfind('@'); at != name.npos) name.remove_prefix(at + 1);
  const auto end = std::ranges::find_if_not(name, [](char c) { return c > 0x20 && c < 0x7f; });
  return out + " " + std::string(name.begin(), end) + ":" + std::to_string(port);
}

std::string choose(Method method) {
  return {static_cast<char>(kVersion), static_cast<char>(method)};
}

std::string password_answer(bool right) {
  return {static_cast<char>(kPasswordVersion), right ? '\0' : '\1'};
}

std::string answer(Reply reply) {
  std::string out(10, '\0');
  out[0] = static_cast<char>(kVersion);
  out[1] = static_cast<char>(reply);
  out[kAddressTypeAt] = static_cast<char>(kV4);
  return out;
}

Reply reply_for(const Error& error) {
  switch (error.code) {
    case Code::kSocksCommand: return Reply::kCommandUnsupported;
    case Code::kSocksAddressType: return Reply::kAddressTypeUnsupported;
    case Code::kNoSuchName:
    case Code::kNoAddress:
    case Code::kDnsFailed:
    case Code::kBreakerOpen: return Reply::kHostUnreachable;
    case Code::kUnroutable:
      return error.sys_errno == EHOSTUNREACH || error.sys_errno == EHOSTDOWN
                 ? Reply::kHostUnreachable
                 : Reply::kNetworkUnreachable;
    case Code::kRefused: return Reply::kRefused;
    case Code::kDnsTimeout:
    case Code::kParentTimeout:
    case Code::kDialTimeout: return Reply::kTimedOut;
    case Code::kParentDenied: return Reply::kNotAllowed;
    default: break;
  }
  const bool not_allowed = error.facts().side == Side::kPolicy || error.facts().status == 407;
  return not_allowed ? Reply::kNotAllowed : Reply::kFailure;
}

std::string refuse_version4() {
  std::string out(8, '\0');
  out[1] = 91;
  return out;
}

}  // namespace penstock::socks
