#include "tls/client_hello.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/byte_fields.h"
#include "base/bytes.h"
#include "base/check.h"
#include "tls/records.h"

namespace penstock::tls {
namespace {

constexpr uint8_t kFirstRecordType = 20;  // change_cipher_spec
constexpr uint8_t kLastRecordType = 24;   // heartbeat, RFC 6520
constexpr uint8_t kClientHelloType = 1;   // RFC 8446 section 4
constexpr uint8_t kMajorVersion = 3;      // of SSL 3.0 and of every TLS; the minor one is ignored
constexpr size_t kRecordHeaderBytes = 5;
constexpr size_t kHandshakeHeaderBytes = 4;
constexpr size_t kFragmentBytesMax = 1 << 14;
constexpr size_t kRandomBytes = 32;
constexpr size_t kSessionIdBytesMax = 32;
// What a DNS name can be at most, and what OpenSSL refuses to exceed. Such a name ends up in a log
// line, so that a longer one would be a way to fill disks.
constexpr size_t kNameBytesMax = 255;

enum ExtensionType : size_t {
  kServerName = 0,                 // RFC 6066 section 3
  kAlpn = 16,                      // RFC 7301 section 3.1
  kEncryptedClientHello = 0xfe0d,  // RFC 9849 section 5
};

using Bytes = std::span<const uint8_t>;
using Fields = ByteFields;  // vectors are those of RFC 8446 section 3.4

// The host_name of a ServerNameList. Two names, or a name type other than host_name, would let the
// origin pick a different one than we checked; no client sends them.
std::optional<std::string_view> read_server_name(Bytes body) {
  Fields extension(body);
  Fields names(extension.vector(2));
  const size_t type = names.number(1);
  const Bytes name = names.vector(2);
  if (!extension.ended_well() || !names.ended_well()) return std::nullopt;
  if (type != 0 || name.empty() || name.size() > kNameBytesMax) return std::nullopt;
  return text_of(name);
}

// The first of a ProtocolNameList; all of it is checked.
std::optional<std::string_view> read_alpn(Bytes body) {
  Fields extension(body);
  Fields protocols(extension.vector(2));
  if (!extension.ended_well() || protocols.empty()) return std::nullopt;
  Bytes first;
  while (!protocols.empty()) {
    const Bytes protocol = protocols.vector(1);
    if (!protocols.ok() || protocol.empty()) return std::nullopt;
    if (first.empty()) first = protocol;
  }
  return text_of(first);
}

// Each extension that we act on may stand there once (RFC 8446 section 4.2): of two server names we
// might check one and the origin serve the other.
bool read_extensions(Bytes body, ClientHello* hello) {
  bool seen_name = false;
  bool seen_alpn = false;
  for (Fields extensions(body); !extensions.empty();) {
    const size_t type = extensions.number(2);
    const Bytes extension = extensions.vector(2);
    if (!extensions.ok()) return false;
    if (type == kServerName) {
      const auto name = read_server_name(extension);
      if (!name || std::exchange(seen_name, true)) return false;
      hello->sni = *name;
    } else if (type == kAlpn) {
      const auto protocol = read_alpn(extension);
      if (!protocol || std::exchange(seen_alpn, true)) return false;
      hello->alpn = *protocol;
    } else if (type == kEncryptedClientHello) {
      if (std::exchange(hello->ech, true)) return false;
    }
  }
  return true;
}

// The body of a ClientHello, RFC 8446 section 4.1.2 and RFC 5246 section 7.4.1.2.
bool read_body(Bytes body, ClientHello* hello) {
  Fields fields(body);
  const size_t version = fields.number(2);
  fields.take(kRandomBytes);
  const Bytes session_id = fields.vector(1);
  const Bytes cipher_suites = fields.vector(2);
  const Bytes compression_methods = fields.vector(1);
  if (!fields.ok() || version >> 8 != kMajorVersion || session_id.size() > kSessionIdBytesMax ||
      cipher_suites.empty() || cipher_suites.size() % 2 != 0 || compression_methods.empty()) {
    return false;
  }
  hello->version = static_cast<uint16_t>(version);
  hello->cipher_suites = cipher_suites;
  if (fields.empty()) return true;  // TLS 1.2 and older may come without extensions
  hello->extensions = fields.vector(2);
  return fields.ended_well() && read_extensions(hello->extensions, hello);
}

// The handshake bytes in `received`, without record headers. One record is looked at in place;
// what follows in further records is put together in `scratch`.
class HandshakeBytes {
 public:
  HandshakeBytes(Bytes received, std::span<uint8_t> scratch)
      : received_(received), scratch_(scratch) {}

  // Takes the next record, as far as it has come. kComplete: there was something of one.
  HelloStep take_record() {
    if (received_.empty()) return HelloStep::kNeedMore;
    if (received_[0] != kHandshakeRecord) return HelloStep::kMalformed;
    if (received_.size() >= 2 && received_[1] != kMajorVersion) return HelloStep::kMalformed;
    if (received_.size() < kRecordHeaderBytes) return HelloStep::kNeedMore;
    const size_t length = size_t{received_[3]} << 8 | received_[4];
    // Empty handshake fragments are forbidden (RFC 8446 section 5.1): free for the sender, work
    // for us.
    if (length == 0 || length > kFragmentBytesMax) return HelloStep::kMalformed;
    received_ = received_.subspan(kRecordHeaderBytes);
    const Bytes fragment = received_.first(std::min(length, received_.size()));
    received_ = received_.subspan(fragment.size());
    append(fragment);
    return HelloStep::kComplete;
  }

  Bytes bytes() const { return bytes_; }

 private:
  void append(Bytes fragment) {
    if (bytes_.empty()) {
      bytes_ = fragment;
      return;
    }
    if (bytes_.data() != scratch_.data()) std::ranges::copy(bytes_, scratch_.begin());
    PENSTOCK_CHECK(fragment.size() <= scratch_.size() - bytes_.size());
    std::ranges::copy(fragment, scratch_.begin() + static_cast<ptrdiff_t>(bytes_.size()));
    bytes_ = scratch_.first(bytes_.size() + fragment.size());
  }

  Bytes received_;
  std::span<uint8_t> scratch_;
  Bytes bytes_;
};

// What the handshake bytes so far say. On kComplete, `body` is the message without its header.
HelloStep find_body(Bytes handshake, Bytes* body) {
  if (handshake.empty()) return HelloStep::kNeedMore;
  if (handshake[0] != kClientHelloType) return HelloStep::kMalformed;
  if (handshake.size() < kHandshakeHeaderBytes) return HelloStep::kNeedMore;
  const size_t length =
      size_t{handshake[1]} << 16 | size_t{handshake[2]} << 8 | size_t{handshake[3]};
  if (length > kClientHelloBytesMax - kRecordHeaderBytes - kHandshakeHeaderBytes) {
    return HelloStep::kMalformed;
  }
  if (handshake.size() - kHandshakeHeaderBytes < length) return HelloStep::kNeedMore;
  *body = handshake.subspan(kHandshakeHeaderBytes, length);
  return HelloStep::kComplete;
}

// What does not begin with a handshake record may still be TLS. Many servers (BoringSSL, Go) drop a
// warning alert that stands in front of the ClientHello: those seven bytes would carry any server
// name past us. A ClientHello in SSL 2.0 form (RFC 5246 appendix E.2), which OpenSSL takes to this
// day, has no place for a server name.
HelloStep read_other_start(Bytes received) {
  const uint8_t first = received[0];
  const bool record = first >= kFirstRecordType && first <= kLastRecordType;
  const bool ssl2 = first >= 0x80 && first < 0xc0;  // a length of up to 16 KiB
  if (!record && !ssl2) return HelloStep::kNotTls;
  if (ssl2 && received.size() > 2 && received[2] != kClientHelloType) return HelloStep::kNotTls;
  const size_t version = record ? 1 : 3;
  if (received.size() <= version) return HelloStep::kNeedMore;
  return received[version] == kMajorVersion ? HelloStep::kMalformed : HelloStep::kNotTls;
}

}  // namespace

HelloStep read_client_hello(Bytes received, std::span<uint8_t> scratch, ClientHello* hello) {
  PENSTOCK_CHECK(scratch.size() >= kClientHelloBytesMax);
  *hello = ClientHello();
  if (received.empty()) return HelloStep::kNeedMore;
  if (received[0] != kHandshakeRecord) return read_other_start(received);

  // The bound is on what came over the wire, record headers included: it is what the caller has to
  // keep, and a record for every byte must not buy more of it.
  const bool full = received.size() >= kClientHelloBytesMax;
  HandshakeBytes handshake(received.first(std::min(received.size(), kClientHelloBytesMax)),
                           scratch);
  while (true) {
    const HelloStep record = handshake.take_record();
    if (record == HelloStep::kNeedMore && full) return HelloStep::kMalformed;
    if (record != HelloStep::kComplete) return record;
    Bytes body;
    const HelloStep message = find_body(handshake.bytes(), &body);
    if (message == HelloStep::kMalformed) return message;
    if (message == HelloStep::kNeedMore) continue;
    ClientHello read;
    if (!read_body(body, &read)) return HelloStep::kMalformed;
    *hello = read;
    return HelloStep::kComplete;
  }
}

}  // namespace penstock::tls
