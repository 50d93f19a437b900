// The request head, read strictly (RFC 9112 sections 2 to 5): bytes that two readers could
// understand differently are refused, never repaired.
// Cost: linear in bytes, no allocation until the head is complete.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "http/authority.h"
#include "http/credentials.h"

namespace penstock::http {

struct HeadLimits {
  size_t bytes = 16 * 1024;  // request line and fields, with the final empty line
  size_t fields = 100;
};

struct ConnectRequest {
  Authority target;
  bool http_1_0 = false;
  bool close = false;                      // "Connection: close"
  std::optional<Credentials> credentials;  // of Proxy-Authorization, which goes no further
};

// Finds the end of the head while it arrives. Give it everything received so far each time; it
// remembers how far it looked, so that a head sent byte by byte costs no more than one in a piece.
// Refuses as early as the bytes allow: a TLS ClientHello or an HTTP/2 preface is named at once.
// All of the syntax is judged here and nowhere else; the parse functions below run it again.
// What it answers depends on the bytes only, never on how they were cut into pieces.
class HeadReader {
 public:
  explicit HeadReader(HeadLimits limits) : limits_(limits) {}

  // True once the head is complete; then length() says where the tunnel's bytes begin.
  // An empty line in front of the request counts as part of the head, in both limits and length.
  // After a refusal it stays refused.
  Result<bool> advance(std::string_view received);
  size_t length() const { return length_; }

 private:
  // What the next byte belongs to; k...Lf: a CR was read there and only LF may follow.
  enum class Place : uint8_t {
    kStart,
    kTlsRecord,
    kEmptyLf,
    kRequestLine,
    kRequestLf,
    kLineStart,
    kName,
    kValue,
    kFieldLf,
    kEndLf,
  };

  static uint8_t plain_bytes(Place place);
  Result<Place> next_place(std::string_view received);
  Result<Place> leave_start(char byte) const;
  Result<Place> leave_request_line(std::string_view received) const;
  Result<Place> enter_line(char byte);
  static Result<Place> leave_name(char byte);

  HeadLimits limits_;
  Place place_ = Place::kStart;
  size_t start_ = 0;    // after the one empty line that may precede a request
  size_t scanned_ = 0;  // bytes already looked at
  size_t fields_ = 0;
  size_t length_ = 0;
};

// `text` is complete: the first HeadReader::length() bytes.
Result<ConnectRequest> parse_connect(std::string_view text, HeadLimits limits);

// A request to one of our own pages, for the admin listener: GET, HEAD or POST, origin-form, no
// body. As strict as parse_connect; Content-Length may be there when it is "0".
struct GetRequest {
  std::string method;
  std::string path;  // as sent, with its query; begins with '/'
  bool head = false;
  // Canonical host of the Host field, empty where HTTP/1.0 left it out. A page in a browser can
  // reach a loopback listener under a name of its own (DNS rebinding); this shows which name.
  std::string host;
};
Result<GetRequest> parse_get(std::string_view text, HeadLimits limits);

// Which host a request to an origin is for, by its Host field: what a transparent proxy reads of
// HTTP. Empty where HTTP/1.0 leaves it out. Origin-form, or "OPTIONS *", alone: an absolute target
// could name another host.
Result<std::optional<HostField>> parse_host_of_request(std::string_view text, HeadLimits limits);

// Method and target as they were sent, for the log of a request that was refused; cut to what a
// log line can bear, empty where there is nothing to show. Never used for a decision.
// Printable ASCII without spaces only; user information in front of an '@' is left out.
struct RequestLine {
  std::string_view method;  // at most 32 bytes
  std::string_view target;  // at most 512 bytes
};
RequestLine sketch_request_line(std::string_view received);

}  // namespace penstock::http
