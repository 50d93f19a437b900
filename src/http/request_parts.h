// A request head in its parts, for the functions that parse one kind of request each:
// parse_connect, parse_get and parse_forward. All of them begin here, so no syntax is judged twice
// or differently. Pure.   Lifetime: views into the head.   Cost: linear in bytes, no allocation.
#pragma once

#include <optional>
#include <string_view>

#include "base/error.h"
#include "http/authority.h"
#include "http/credentials.h"
#include "http/head.h"

namespace penstock::http {

inline constexpr std::string_view kLineEnd = "\r\n";

struct RequestWords {
  std::string_view method;
  std::string_view target;
  bool http_1_0 = false;
};

struct Field {
  std::string_view name;
  std::string_view value;  // without the white space around it
};

// Takes the first field off `lines`, which are field lines of a head that was found good, each with
// its CR LF. False: there is none left.
bool take_field(std::string_view& lines, Field& field);

// The fields that say where a message goes, where it ends and who sends it. Nothing else in a head
// has any influence on a tunnel: not Expect, Upgrade, TE or Proxy-Connection.
struct KeyFields {
  std::optional<std::string_view> host;
  std::optional<std::string_view> content_length;
  std::optional<std::string_view> transfer_encoding;
  bool second_host = false;
  bool second_content_length = false;
  bool second_transfer_encoding = false;
  std::optional<std::string_view> authorization;  // Proxy-Authorization
  bool second_authorization = false;
  bool close = false;  // "Connection: close"
};

void note_key(KeyFields& keys, const Field& field);

struct RequestParts {
  RequestWords words;
  KeyFields keys;
  std::string_view lines;  // of the fields, for take_field()
};

// HeadReader goes over `head` once more: what is parsed from here on cannot have passed it by.
Result<RequestParts> read_parts(std::string_view head, HeadLimits limits);

// RFC 9112 section 3.2: exactly one valid Host, which HTTP/1.0 may leave out.
Result<std::optional<HostField>> read_host(const RequestParts& parts);

// Of Proxy-Authorization: none or one. Two of them are two people to two readers.
Result<std::optional<Credentials>> read_credentials(const KeyFields& keys);

}  // namespace penstock::http
