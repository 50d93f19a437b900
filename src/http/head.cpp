#include "http/head.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/ascii.h"
#include "base/check.h"
#include "http/request_parts.h"
#include "http/structured.h"

namespace penstock::http {
namespace {

// What a byte may be part of, as bits.
constexpr uint8_t kToken = 1;    // field names and methods (RFC 9110 section 5.6.2)
constexpr uint8_t kVisible = 2;  // 0x21 to 0x7e
constexpr uint8_t kInLine = 4;   // a request line: visible bytes and the space
constexpr uint8_t kInValue = 8;  // a field value: also tab and obs-text (0x80 to 0xff)

constexpr std::array<uint8_t, 256> kBytes = [] {
  std::array<uint8_t, 256> out{};
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    const bool visible = byte > 0x20 && byte < 0x7f;
    uint8_t bits = 0;
    if (is_alpha(c) || is_digit(c)) bits |= kToken;
    if (visible) bits |= kVisible;
    if (visible || c == ' ') bits |= kInLine;
    if (visible || c == ' ' || c == '\t' || byte >= 0x80) bits |= kInValue;
    out[static_cast<size_t>(byte)] = bits;
  }
  for (const char c :
       {'!', '#', '$', '%', '&', '\'', '*', '+', '-', '.', '^', '_', '`', '|', '~'}) {
    out[static_cast<uint8_t>(c)] |= kToken;
  }
  return out;
}();

bool is(char c, uint8_t bits) {
  return (kBytes[static_cast<uint8_t>(c)] & bits) != 0;
}

// True when none of the eight bytes is a control byte: most of a head is stepped over by it. May
// say false for a good byte (tab), never true for a bad one.
bool eight_without_control(uint64_t eight) {
  constexpr uint64_t kOnes = 0x0101010101010101;
  constexpr uint64_t kTops = kOnes * 0x80;
  const uint64_t not_del = eight ^ kOnes * 0x7f;
  const uint64_t below_space = (eight - kOnes * 0x20) & ~eight & kTops;
  return (below_space | ((not_del - kOnes) & ~not_del & kTops)) == 0;
}

// Where the run of bytes that are `plain` ends, from `at` on.
size_t run_end(std::string_view bytes, size_t at, uint8_t plain) {
  const char* const data = bytes.data();
  if (plain == kInValue) {
    // SAFETY: memcpy of eight bytes that lie before bytes.size().
    for (uint64_t eight; bytes.size() - at >= sizeof(eight); at += sizeof(eight)) {
      std::memcpy(&eight, data + at, sizeof(eight));
      if (!eight_without_control(eight)) break;
    }
  }
  while (at < bytes.size() && is(data[at], plain)) ++at;
  return at;
}

// A byte that may not stand here: its own name if it may stand nowhere, else `otherwise`.
Code code_of_byte(char c, Code otherwise) {
  if (c == '\r' || c == '\n') return Code::kBadLineEnding;
  const auto byte = static_cast<uint8_t>(c);
  if ((byte < 0x20 && c != '\t') || byte == 0x7f) return Code::kForbiddenByte;
  return otherwise;
}

Result<RequestWords> read_version(RequestWords words, std::string_view version) {
  if (version == "HTTP/1.1") return words;
  if (version == "HTTP/1.0") {
    words.http_1_0 = true;
    return words;
  }
  if (words.method == "PRI" && words.target == "*" && version == "HTTP/2.0") {
    return fail(Code::kHttp2Preface);
  }
  const bool shaped = version.size() == 8 && version.starts_with("HTTP/") && is_digit(version[5]) &&
                      version[6] == '.' && is_digit(version[7]);
  return fail(shaped ? Code::kBadVersion : Code::kBadRequestLine);
}

// method SP target SP version, with exactly those spaces (RFC 9112 section 3 allows a server to be
// lenient; then "CONNECT ok:443 x HTTP/1.1" means one thing to the one in front and another here).
Result<RequestWords> split_request_line(std::string_view line) {
  const size_t first = line.find(' ');
  if (first == line.npos) return fail(Code::kBadRequestLine);
  RequestWords words;
  words.method = line.substr(0, first);
  if (words.method.empty() ||
      !std::ranges::all_of(words.method, [](char c) { return is(c, kToken); })) {
    return fail(Code::kBadRequestLine);
  }
  // An SSH banner with a comment has two words, as HTTP/0.9 has; it is no version question.
  if (words.method.starts_with("SSH-")) return fail(Code::kBadRequestLine);
  const std::string_view rest = line.substr(first + 1);
  const size_t second = rest.find(' ');
  words.target = rest.substr(0, second);
  if (words.target.empty()) return fail(Code::kBadRequestLine);
  if (second == rest.npos) return fail(Code::kBadVersion);  // HTTP/0.9 had no version
  return read_version(words, rest.substr(second + 1));
}

}  // namespace

// Bytes that change nothing where they stand, so that the reader can run over them.
uint8_t HeadReader::plain_bytes(Place place) {
  switch (place) {
    case Place::kRequestLine: return kInLine;
    case Place::kName: return kToken;
    case Place::kValue: return kInValue;
    default: return 0;
  }
}

Result<bool> HeadReader::advance(std::string_view received) {
  PENSTOCK_CHECK(received.size() >= scanned_);
  const size_t end = std::min(received.size(), limits_.bytes);
  while (length_ == 0 && scanned_ < end) {
    scanned_ = run_end(received.substr(0, end), scanned_, plain_bytes(place_));
    if (scanned_ == end) break;
    // scanned_ moves on behind a good byte only: asked again, a refusal is the same refusal.
    const auto next = next_place(received);
    if (!next) return std::unexpected(next.error());
    place_ = *next;
    ++scanned_;
  }
  if (length_ == 0 && scanned_ == limits_.bytes) return fail(Code::kHeadTooLarge);
  return length_ != 0;
}

Result<HeadReader::Place> HeadReader::next_place(std::string_view received) {
  const char byte = received[scanned_];
  switch (place_) {
    case Place::kStart: return leave_start(byte);
    case Place::kTlsRecord:
      // Record type handshake and the major version every TLS has had (RFC 8446 section 5.1).
      return fail(byte == 0x03 ? Code::kTlsOnPlainPort : Code::kForbiddenByte);
    case Place::kRequestLine:
    case Place::kRequestLf: return leave_request_line(received);
    case Place::kLineStart: return enter_line(byte);
    case Place::kName: return leave_name(byte);
    case Place::kValue:
      if (byte == '\r') return Place::kFieldLf;
      return fail(code_of_byte(byte, Code::kForbiddenByte));
    case Place::kEmptyLf:
    case Place::kFieldLf:
    case Place::kEndLf: break;
  }
  if (byte != '\n') return fail(Code::kBadLineEnding);
  if (place_ == Place::kFieldLf) return Place::kLineStart;
  if (place_ == Place::kEndLf) {
    length_ = scanned_ + 1;
    return Place::kEndLf;
  }
  start_ = scanned_ + 1;
  return Place::kStart;
}

Result<HeadReader::Place> HeadReader::leave_start(char byte) const {
  if (is(byte, kToken)) return Place::kRequestLine;
  // RFC 9112 section 2.2: one empty line may precede a request; endless ones are an attack.
  if (byte == '\r' && start_ == 0) return Place::kEmptyLf;
  if (byte == '\r') return fail(Code::kBadRequestLine);
  if (byte == 0x16 && start_ == 0) return Place::kTlsRecord;
  return fail(code_of_byte(byte, Code::kBadRequestLine));
}

Result<HeadReader::Place> HeadReader::leave_request_line(std::string_view received) const {
  const char byte = received[scanned_];
  if (place_ == Place::kRequestLine) {
    if (byte == '\r') return Place::kRequestLf;
    const std::string_view line = received.substr(start_, scanned_ - start_);
    const bool in_target = line.starts_with("CONNECT ") && std::ranges::count(line, ' ') == 1;
    // A U-label tells its sender more as a bad name than as a bad line.
    const bool u_label = in_target && static_cast<uint8_t>(byte) >= 0x80;
    return fail(code_of_byte(byte, u_label ? Code::kBadHostName : Code::kBadRequestLine));
  }
  if (byte != '\n') return fail(Code::kBadLineEnding);
  // Judged now and not with the fields: an SSH or HTTP/2 client would wait for us from here on.
  const auto words = split_request_line(received.substr(start_, scanned_ - 1 - start_));
  if (!words) return std::unexpected(words.error());
  return Place::kLineStart;
}

Result<HeadReader::Place> HeadReader::enter_line(char byte) {
  if (byte == '\r') return Place::kEndLf;
  if (byte == ' ' || byte == '\t') return fail(Code::kObsFold);
  if (!is(byte, kToken)) return fail(code_of_byte(byte, Code::kBadFieldName));
  // One rival spent minutes of CPU on 20000 fields within a 200 KB head.
  if (fields_ >= limits_.fields) return fail(Code::kTooManyFields);
  ++fields_;
  return Place::kName;
}

Result<HeadReader::Place> HeadReader::leave_name(char byte) {
  if (byte == ':') return Place::kValue;
  if (byte == '\r') return fail(Code::kMissingColon);
  // "Content-Length : 1" is a length to one reader and an unknown field to the next.
  if (byte == ' ' || byte == '\t') return fail(Code::kSpaceBeforeColon);
  return fail(code_of_byte(byte, Code::kBadFieldName));
}

bool take_field(std::string_view& lines, Field& field) {
  if (lines.empty()) return false;
  const size_t end = lines.find('\r');
  const size_t colon = lines.find(':');
  field = {lines.substr(0, colon), trim(lines.substr(colon + 1, end - colon - 1))};
  lines.remove_prefix(end + 2);
  return true;
}

void note_key(KeyFields& keys, const Field& field) {
  const auto note = [&field](std::optional<std::string_view>& value, bool& second) {
    second = value.has_value();
    value = field.value;
  };
  if (equals_ignoring_case(field.name, "host")) {
    note(keys.host, keys.second_host);
  } else if (equals_ignoring_case(field.name, "content-length")) {
    note(keys.content_length, keys.second_content_length);
  } else if (equals_ignoring_case(field.name, "transfer-encoding")) {
    note(keys.transfer_encoding, keys.second_transfer_encoding);
  } else if (equals_ignoring_case(field.name, "proxy-authorization")) {
    note(keys.authorization, keys.second_authorization);
  } else if (equals_ignoring_case(field.name, "connection")) {
    keys.close = keys.close || equals_ignoring_case(field.value, "close");
  }
}

Result<RequestParts> read_parts(std::string_view head, HeadLimits limits) {
  HeadReader reader(limits);
  const auto complete = reader.advance(head);
  if (!complete) return std::unexpected(complete.error());
  if (!*complete || reader.length() != head.size()) return fail(Code::kBadRequestLine);

  if (head.starts_with("\r\n")) head.remove_prefix(2);
  const size_t end = head.find('\r');
  const auto words = split_request_line(head.substr(0, end));
  if (!words) return std::unexpected(words.error());
  RequestParts out{*words, {}, head.substr(end + 2, head.size() - end - 4)};
  Field field;
  for (std::string_view lines = out.lines; take_field(lines, field);) note_key(out.keys, field);
  return out;
}

Result<std::optional<HostField>> read_host(const RequestParts& parts) {
  if (parts.keys.second_host) return fail(Code::kDuplicateHost);
  if (!parts.keys.host) {
    if (!parts.words.http_1_0) return fail(Code::kMissingHost);
    return std::nullopt;
  }
  auto host = parse_host_field(*parts.keys.host);
  if (!host) return fail(Code::kBadHost);
  return std::optional<HostField>(std::move(*host));
}

Result<std::optional<Credentials>> read_credentials(const KeyFields& keys) {
  if (keys.second_authorization) return fail(Code::kDuplicateCredentials);
  if (!keys.authorization) return std::nullopt;
  auto credentials = parse_credentials(*keys.authorization);
  if (!credentials) return std::unexpected(credentials.error());
  return std::optional(std::move(*credentials));
}

Result<ConnectRequest> parse_connect(std::string_view text, HeadLimits limits) {
  const auto head = read_parts(text, limits);
  if (!head) return std::unexpected(head.error());
  if (head->words.method != "CONNECT") return fail(Code::kMethodUnsupported);
  auto target = parse_authority(head->words.target);
  if (!target) return std::unexpected(target.error());

  // Whoever sends a length means bytes that are no tunnel bytes; whoever is behind us may agree.
  if (head->keys.transfer_encoding) return fail(Code::kTransferEncoding);
  if (head->keys.content_length) return fail(Code::kContentLength);
  // The target alone decides. A Host that disagrees is refused all the same: the next log or
  // filter might believe it (CVE-2012-2213, CVE-2026-100663).
  const bool same_text = !head->keys.second_host && head->keys.host == head->words.target;
  if (!same_text) {
    const auto host = read_host(*head);
    if (!host) return std::unexpected(host.error());
    if (*host && !(*host)->agrees_with(*target)) return fail(Code::kHostMismatch);
  }
  auto credentials = read_credentials(head->keys);
  if (!credentials) return std::unexpected(credentials.error());
  return ConnectRequest{std::move(*target), head->words.http_1_0, head->keys.close,
                        std::move(*credentials)};
}

Result<GetRequest> parse_get(std::string_view text, HeadLimits limits) {
  const auto head = read_parts(text, limits);
  if (!head) return std::unexpected(head.error());
  const auto [method, target, http_1_0] = head->words;
  if (method != "GET" && method != "HEAD" && method != "POST") {
    return fail(Code::kMethodUnsupported);
  }
  if (!target.starts_with('/') || target.find('#') != target.npos) return fail(Code::kTargetForm);
  if (head->keys.transfer_encoding) return fail(Code::kTransferEncoding);
  if (head->keys.second_content_length || head->keys.content_length.value_or("0") != "0") {
    return fail(Code::kContentLength);
  }
  auto host = read_host(*head);
  if (!host) return std::unexpected(host.error());
  GetRequest out{std::string(method), std::string(target), method == "HEAD", {}};
  if (*host) out.host = std::move((*host)->host);
  return out;
}

Result<std::optional<HostField>> parse_host_of_request(std::string_view text, HeadLimits limits) {
  const auto head = read_parts(text, limits);
  if (!head) return std::unexpected(head.error());
  const std::string_view target = head->words.target;
  if (!target.starts_with('/') && target != "*") return fail(Code::kTargetForm);
  return read_host(*head);
}

RequestLine sketch_request_line(std::string_view received) {
  constexpr size_t kMethodBytes = 32;
  constexpr size_t kTargetBytes = 512;
  const auto visible_end = [](std::string_view text) {
    const auto end = std::ranges::find_if_not(text, [](char c) { return is(c, kVisible); });
    return static_cast<size_t>(end - text.begin());
  };

  if (received.starts_with("\r\n")) received.remove_prefix(2);
  const std::string_view line = received.substr(0, received.find_first_of("\r\n"));
  const size_t space = visible_end(line);
  if (space < line.size() && line[space] != ' ') return {};  // binary: no word of it is a method
  RequestLine out{line.substr(0, std::min(space, kMethodBytes)), {}};
  if (space >= line.size()) return out;
  std::string_view target = line.substr(space + 1);
  target = target.substr(0, target.find(' '));
  // "user:password@host" is refused, and its password has no place in a log either.
  if (const size_t at = target.rfind('@'); at != target.npos) target.remove_prefix(at + 1);
  out.target = target.substr(0, std::min(visible_end(target), kTargetBytes));
  return out;
}

}  // namespace penstock::http
