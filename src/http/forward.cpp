#include "http/forward.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/ascii.h"
#include "http/hop.h"
#include "http/request_parts.h"
#include "http/structured.h"

namespace penstock::http {
namespace {

constexpr std::string_view kWebSocketFields = "Connection: Upgrade\r\nUpgrade: websocket\r\n";

// The two schemes that there are (RFC 9110 section 4.2).
struct Scheme {
  std::string_view prefix;
  uint16_t port;
};
constexpr Scheme kPlain{"http://", 80};
constexpr Scheme kSecure{"https://", 443};

struct Target {
  Authority authority;
  std::string_view path;   // from '/' on, without the query; may be empty
  std::string_view query;  // with its '?'; may be empty
};

Target split_path(Authority authority, std::string_view rest) {
  const size_t query = std::min(rest.find('?'), rest.size());
  return {std::move(authority), rest.substr(0, query), rest.substr(query)};
}

// A URI of RFC 9110 section 4.2. The scheme decides nothing but that it must be this one: outside a
// tunnel https says that the client wants TLS up to the origin, which is what CONNECT is for.
Result<Target> parse_target(std::string_view text, const Scheme& scheme) {
  if (!equals_ignoring_case(text.substr(0, scheme.prefix.size()), scheme.prefix)) {
    return fail(text.find("://") == text.npos ? Code::kTargetForm : Code::kScheme);
  }
  text.remove_prefix(scheme.prefix.size());
  if (text.find('#') != text.npos) return fail(Code::kTargetForm);
  const size_t end = std::min(text.find_first_of("/?"), text.size());
  auto host = parse_host_field(text.substr(0, end));
  if (!host) return std::unexpected(host.error());
  return split_path({std::move(host->host), host->literal, host->port.value_or(scheme.port)},
                    text.substr(end));
}

// Inside a tunnel the origin's own form of a request is the usual one (RFC 9112 section 3.2.1).
Result<Target> parse_target_inside(std::string_view text, std::string_view method,
                                   const Authority& inside) {
  if (text == "*" && method == "OPTIONS") return Target{inside, {}, {}};
  if (!text.starts_with('/')) {
    auto target = parse_target(text, kSecure);
    if (target && target->authority != inside) return fail(Code::kFronting);
    return target;
  }
  if (text.find('#') != text.npos) return fail(Code::kTargetForm);
  return split_path(inside, text);
}

// A Host without a port means the scheme's own.
bool agrees(const HostField& host, const Authority& target, const Scheme& scheme) {
  return host.agrees_with(target) && host.port.value_or(scheme.port) == target.port;
}

std::string host_of(const Authority& target, const Scheme& scheme) {
  std::string text = target.text();
  if (target.port == scheme.port) text.resize(text.rfind(':'));
  return text;
}

// Where the framing of a message says that its body ends. CL.TE, TE.CL, TE.TE and every list or
// spelling that one reader takes for a number and another does not end here.
struct Framing {
  std::optional<uint64_t> length;
  bool chunked = false;
};

std::optional<Framing> read_framing(const KeyFields& keys) {
  Framing out;
  if (keys.content_length) {
    out.length = parse_decimal(*keys.content_length, kLengthMax);
    if (!out.length || keys.second_content_length) return std::nullopt;
  }
  if (keys.transfer_encoding) {
    out.chunked = equals_ignoring_case(*keys.transfer_encoding, "chunked");
    if (!out.chunked || keys.second_transfer_encoding || out.length) return std::nullopt;
  }
  return out;
}

// RFC 9110 section 7.6.2: what is to be sent on of it, "" where nothing was said. An OPTIONS that
// may go no further would be ours to answer, and we are no server.
Result<std::string> count_down(std::string_view lines) {
  std::string out;
  for (Field field; take_field(lines, field);) {
    if (!equals_ignoring_case(field.name, "max-forwards")) continue;
    const auto left = parse_decimal(field.value, kLengthMax);
    if (!out.empty() || !left || *left == 0) return fail(Code::kMaxForwards);
    out = "Max-Forwards: " + std::to_string(*left - 1) + "\r\n";
  }
  return out;
}

std::string_view version_of(bool http_1_0) {
  return http_1_0 ? "1.0" : "1.1";
}

void append_via(std::string& head, std::string_view version, std::string_view pseudonym) {
  head += "Via: ";
  head += version;
  head += ' ';
  head += pseudonym;
  head += kLineEnd;
}

void append_framing(std::string& head, const Framing& framing) {
  if (framing.chunked) head += "Transfer-Encoding: chunked\r\n";
  if (framing.length) head += "Content-Length: " + std::to_string(*framing.length) + "\r\n";
}

// Of a stream TE says this or is not there (RFC 9113 section 8.2.2).
bool says_trailers(std::string_view lines) {
  for (Field field; take_field(lines, field);) {
    if (equals_ignoring_case(field.name, "te")) return true;
  }
  return false;
}

// "/" stands for an empty path, and "*" for the whole server (RFC 9112 section 3.2.4).
std::string origin_form(const Target& target, std::string_view method) {
  if (target.path.empty() && target.query.empty() && method == "OPTIONS") return "*";
  std::string out(target.path.empty() ? "/" : target.path);
  out += target.query;
  return out;
}

Result<void> check_host(const RequestParts& parts, const Authority& target, const Scheme& scheme) {
  const auto host = read_host(parts);
  if (!host) return std::unexpected(host.error());
  if (*host && !agrees(**host, target, scheme)) {
    return fail(&scheme == &kSecure ? Code::kFronting : Code::kHostMismatch);
  }
  return {};
}

Result<void> append_fields(ForwardRequest& request, const RequestParts& parts, Hop& hop) {
  if (request.http_1_0) hop.options.push_back("expect");  // it could not be told to go on
  if (request.method == "OPTIONS") {
    const auto max_forwards = count_down(parts.lines);
    if (!max_forwards) return std::unexpected(max_forwards.error());
    request.head += *max_forwards;
    hop.options.push_back("max-forwards");
  }
  append_passing_fields(request.head, parts.lines, hop);
  return {};
}

}  // namespace

bool ForwardRequest::repeatable() const {
  constexpr std::array<std::string_view, 3> kSafe = {"GET", "HEAD", "OPTIONS"};
  return body.done() && !websocket && std::ranges::find(kSafe, method) != kSafe.end();
}

std::string_view field_lines(const ForwardRequest& request) {
  const std::string_view head = request.head;
  const size_t first = head.find(kLineEnd) + kLineEnd.size();
  return head.substr(first, head.size() - kLineEnd.size() - first);
}

std::optional<uint64_t> body_bytes(std::string_view lines, const BodyReader& body) {
  if (body.done()) return 0;
  for (Field field; take_field(lines, field);) {
    if (equals_ignoring_case(field.name, "content-length")) {
      return parse_decimal(field.value, kLengthMax);
    }
  }
  return std::nullopt;
}

bool is_connect(std::string_view head) {
  if (head.starts_with(kLineEnd)) head.remove_prefix(kLineEnd.size());
  return head.starts_with("CONNECT ");
}

Result<ForwardRequest> parse_forward(std::string_view text, HeadLimits limits,
                                     std::string_view pseudonym, Carrier carrier,
                                     const Authority* inside) {
  const auto parts = read_parts(text, limits);
  if (!parts) return std::unexpected(parts.error());
  const auto& [method, uri, http_1_0] = parts->words;
  // TRACE sends back what it gets, credentials that others added on the way among it.
  if (method == "CONNECT" || method == "TRACE") return fail(Code::kMethodUnsupported);
  const Scheme& scheme = inside ? kSecure : kPlain;
  auto target = inside ? parse_target_inside(uri, method, *inside) : parse_target(uri, scheme);
  if (!target) return std::unexpected(target.error());
  if (const auto host = check_host(*parts, target->authority, scheme); !host) {
    return std::unexpected(host.error());
  }
  const auto framing = read_framing(parts->keys);
  if (!framing || (framing->chunked && http_1_0)) return fail(Code::kBodyFraming);
  auto hop = read_hop(parts->lines);
  if (!hop) return fail(Code::kConnectionField);
  if (passed_through(parts->lines, pseudonym)) return fail(Code::kViaLoop);
  auto credentials = read_credentials(parts->keys);
  if (!credentials) return std::unexpected(credentials.error());

  ForwardRequest out;
  out.credentials = std::move(*credentials);
  out.method = method;
  out.path = target->path.empty() ? "/" : target->path;
  out.carrier = carrier;
  out.http_1_0 = http_1_0;
  out.to_head = method == "HEAD";
  const bool by_stream = carrier == Carrier::kStream;
  out.persists = !http_1_0 && !hop->close && !by_stream;
  out.binds = binds_connection(parts->lines);
  out.takes_trailers = by_stream && says_trailers(parts->lines);
  if (framing->chunked) {
    out.body = by_stream ? BodyReader::until_end() : BodyReader::chunked();
    out.coding = Coding::kChunked;
  } else {
    out.body = BodyReader::counted(framing->length.value_or(0));
  }
  out.websocket = method == "GET" && !http_1_0 && !by_stream && out.body.done() && hop->websocket();

  out.head = out.method + ' ' + origin_form(*target, method) +
             " HTTP/1.1\r\nHost: " + host_of(target->authority, scheme) + "\r\n";
  if (const auto fields = append_fields(out, *parts, *hop); !fields) {
    return std::unexpected(fields.error());
  }
  append_via(out.head, by_stream ? "2" : version_of(http_1_0), pseudonym);
  append_framing(out.head, *framing);
  if (out.websocket) out.head += kWebSocketFields;
  out.head += kLineEnd;
  out.target = std::move(target->authority);
  return out;
}

namespace {

struct AnswerParts {
  int status;
  bool http_1_0;
  std::string_view status_line;
  std::string_view lines;
  KeyFields keys;
};

AnswerParts split_answer(std::string_view head) {
  const size_t end = head.find(kLineEnd);
  const auto digit = [head](size_t at) { return head[at] - '0'; };
  AnswerParts out{digit(9) * 100 + digit(10) * 10 + digit(11),
                  head[7] == '0',
                  head.substr(0, end),
                  head.substr(end + 2, head.size() - end - 4),
                  {}};
  Field field;
  for (std::string_view lines = out.lines; take_field(lines, field);) note_key(out.keys, field);
  return out;
}

// RFC 9112 section 6.3, from the origin's side.
std::optional<BodyReader> body_of(const AnswerParts& parts, const Framing& framing, bool to_head,
                                  AnswerWay way) {
  if (parts.http_1_0 && framing.chunked) return std::nullopt;
  if (to_head || never_has_body(parts.status) || way.whole) return BodyReader::none();
  if (way.carrier == Carrier::kStream) return BodyReader::until_end();
  if (framing.chunked) return BodyReader::chunked(true);
  return framing.length ? BodyReader::counted(*framing.length) : BodyReader::until_end();
}

std::string_view reason_of(std::string_view status_line) {
  constexpr size_t kBefore = 13;  // "HTTP/1.1 200 "
  return status_line.substr(std::min(kBefore, status_line.size()));
}

// How the client learns where the body ends, and whether its connection goes on behind it.
void frame_for_client(ForwardAnswer& out, const Framing& framing, const ForwardRequest& request) {
  const bool sized = out.body.done() || framing.length;
  if (out.status / 100 == 1 || out.status == 204) return;
  if (sized) {
    if (framing.length) append_framing(out.head, {framing.length, false});
    // Only a stream can end without having said so before.
    const bool says_nothing = request.to_head || never_has_body(out.status);
    if (!framing.length && !says_nothing && request.carrier == Carrier::kConnection) {
      append_framing(out.head, {uint64_t{0}, false});
    }
    return;
  }
  if (request.http_1_0 || request.carrier == Carrier::kStream) {
    out.client_persists = false;
    return;
  }
  out.coding = Coding::kChunked;
  append_framing(out.head, {std::nullopt, true});
}

}  // namespace

Result<ForwardAnswer> parse_forward_answer(std::string_view head, const ForwardRequest& request,
                                           bool may_persist, std::string_view pseudonym,
                                           AnswerWay way) {
  const AnswerParts parts = split_answer(head);
  const auto hop = read_hop(parts.lines);
  const auto framing = read_framing(parts.keys);
  if (!hop || !framing) return fail(Code::kBadResponse);
  // 407 is a proxy's word: from an origin it asks for what is not its to know. 101 is an answer to
  // who asked for it.
  const bool switches = parts.status == 101;
  if (parts.status == 407) return fail(Code::kBadResponse);
  if (switches && !(request.websocket && hop->websocket())) return fail(Code::kBadResponse);
  auto body = body_of(parts, *framing, request.to_head, way);
  if (!body) return fail(Code::kBadResponse);

  ForwardAnswer out;
  out.status = parts.status;
  out.body = *body;
  out.origin_persists = !parts.http_1_0 && !hop->close && !body->ends_with_connection() &&
                        !request.binds && !binds_connection(parts.lines);
  out.client_persists = may_persist && request.persists;
  out.head = "HTTP/1.1 ";
  out.head += std::to_string(parts.status) + ' ';
  out.head += reason_of(parts.status_line);
  out.head += kLineEnd;
  append_passing_fields(out.head, parts.lines, *hop);
  const bool by_stream = way.carrier == Carrier::kStream;
  append_via(out.head, by_stream ? "2" : version_of(parts.http_1_0), pseudonym);
  if (switches) out.head += kWebSocketFields;
  frame_for_client(out, *framing, request);
  if (out.status / 100 != 1 && !out.client_persists) out.head += "Connection: close\r\n";
  out.head += kLineEnd;
  return out;
}

}  // namespace penstock::http
