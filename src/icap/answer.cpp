#include "icap/answer.h"

#include <algorithm>
#include <array>

#include "base/ascii.h"
#include "base/check.h"
#include "http/request_parts.h"
#include "http/structured.h"

namespace penstock::icap {
namespace {

using http::Field;
using http::take_until;
using http::trim;

constexpr std::string_view kVersion = "ICAP/1.0 ";
constexpr size_t kStatusBytes = 3;
constexpr uint64_t kNumberMax = uint64_t{1} << 31;

bool is_folded(std::string_view line) {
  return line.starts_with(' ') || line.starts_with('\t');
}

// Field lines of a head that was found good, without what continues one: nobody reads that.
std::string unfolded_lines(std::string_view head) {
  std::string_view rest = head.substr(head.find("\r\n") + 2);
  std::string out;
  while (rest.size() > 2) {
    const size_t end = rest.find("\r\n") + 2;
    if (!is_folded(rest)) out += rest.substr(0, end);
    rest.remove_prefix(end);
  }
  return out;
}

// What decides about the message inside, or about the connection.
bool decides(std::string_view name) {
  return equals_ignoring_case(name, "encapsulated") || equals_ignoring_case(name, "connection");
}

struct Listed {
  std::string_view name;
  size_t offset = 0;
};

// "res-hdr=0, res-body=137": at most three parts. Nothing: it is no such list.
struct Parts {
  std::array<Listed, 3> parts{};
  size_t count = 0;
};
std::optional<Parts> read_parts(std::string_view value) {
  Parts out;
  while (!value.empty()) {
    const std::string_view item = trim(take_until(',', value));
    const size_t equals = item.find('=');
    if (equals == item.npos || out.count == out.parts.size()) return std::nullopt;
    const auto offset = parse_decimal(item.substr(equals + 1), kNumberMax);
    if (!offset) return std::nullopt;
    out.parts[out.count++] = {item.substr(0, equals), static_cast<size_t>(*offset)};
  }
  return out.count == 0 ? std::nullopt : std::optional(out);
}

// Section 4.4.1: one head of HTTP and whether a body follows it. A modified message without a head
// would be one with the head of another.
std::optional<Encapsulated> read_encapsulated(std::string_view value, Method method, int status) {
  const auto listed = read_parts(value);
  if (!listed || listed->parts[0].offset != 0) return std::nullopt;
  const Listed& first = listed->parts[0];
  if (status != 200 || method == Method::kOptions) {
    const bool body = first.name == "opt-body" && method == Method::kOptions;
    if (listed->count != 1 || (first.name != "null-body" && !body)) return std::nullopt;
    return Encapsulated{Part::kNothing, 0, body};
  }
  const Listed& last = listed->parts[1];
  if (listed->count != 2 || last.offset == 0) return std::nullopt;
  const bool request = first.name == "req-hdr" && method == Method::kReqmod;
  if (!request && first.name != "res-hdr") return std::nullopt;
  const bool body = last.name == (request ? "req-body" : "res-body");
  if (!body && last.name != "null-body") return std::nullopt;
  return Encapsulated{request ? Part::kRequest : Part::kAnswer, last.offset, body};
}

bool lists(std::string_view value, std::string_view word) {
  while (!value.empty()) {
    if (equals_ignoring_case(trim(take_until(',', value)), word)) return true;
  }
  return false;
}

void take_extensions(Options& out, Transfer transfer, std::string_view value) {
  auto& extensions = out.extensions[static_cast<size_t>(transfer)];
  while (!value.empty()) {
    const std::string_view item = trim(take_until(',', value));
    if (item == "*") {
      out.others = transfer;
    } else if (!item.empty() && extensions.size() < Options::kExtensionsMax) {
      extensions.push_back(lower(item));
    }
  }
}

}  // namespace

std::string_view word(Method method) {
  switch (method) {
    case Method::kOptions: return "OPTIONS";
    case Method::kReqmod: return "REQMOD";
    case Method::kRespmod: return "RESPMOD";
  }
  PENSTOCK_CHECK(false);
}

std::string_view sentence(AnswerFault fault) {
  switch (fault) {
    case AnswerFault::kNotIcap: return "the answer is not ICAP/1.0";
    case AnswerFault::kStatusLine: return "the answer has a bad status line";
    case AnswerFault::kField: return "the answer has a bad header field";
    case AnswerFault::kLineEnding: return "the answer has a bad line ending";
    case AnswerFault::kTooLarge: return "the answer has too large a head";
    case AnswerFault::kEncapsulated: return "the answer's Encapsulated says nothing that fits it";
  }
  PENSTOCK_CHECK(false);
}

std::expected<bool, AnswerFault> AnswerReader::advance(std::string_view received) {
  PENSTOCK_CHECK(received.size() >= scanned_);
  const size_t end = std::min(received.size(), kBytesMax);
  while (length_ == 0 && scanned_ < end) {
    const char byte = received[scanned_];
    const size_t at = scanned_ - line_start_;
    if (status_ == 0 && at < kVersion.size() && byte != kVersion[at]) {
      return std::unexpected(AnswerFault::kNotIcap);
    }
    const bool after_cr = at > 0 && received[scanned_ - 1] == '\r';
    if (after_cr != (byte == '\n')) return std::unexpected(AnswerFault::kLineEnding);
    if (http::is_control(byte) && byte != '\r' && byte != '\n') {
      return std::unexpected(status_ == 0 ? AnswerFault::kStatusLine : AnswerFault::kField);
    }
    if (byte == '\n') {
      const auto line = received.substr(line_start_, scanned_ - 1 - line_start_);
      if (const auto good = take_line(line); !good) return std::unexpected(good.error());
      line_start_ = scanned_ + 1;
      if (line.empty()) length_ = line_start_;
    }
    ++scanned_;
  }
  if (length_ == 0 && scanned_ == kBytesMax) return std::unexpected(AnswerFault::kTooLarge);
  return length_ != 0;
}

std::expected<void, AnswerFault> AnswerReader::take_line(std::string_view line) {
  if (status_ == 0) {
    const std::string_view rest = line.substr(std::min(kVersion.size(), line.size()));
    const bool shaped = rest.size() >= kStatusBytes && rest[0] >= '1' && rest[0] <= '5' &&
                        is_digit(rest[1]) && is_digit(rest[2]) &&
                        (rest.size() == kStatusBytes || rest[kStatusBytes] == ' ');
    if (!shaped) return std::unexpected(AnswerFault::kStatusLine);
    status_ = (rest[0] - '0') * 100 + (rest[1] - '0') * 10 + (rest[2] - '0');
    return {};
  }
  if (line.empty()) return {};
  // c-icap tells in folded lines what it has found.
  if (is_folded(line)) {
    if (!may_fold_) return std::unexpected(AnswerFault::kField);
    return {};
  }
  const size_t colon = line.find(':');
  if (colon == line.npos || !http::is_token(line.substr(0, colon))) {
    return std::unexpected(AnswerFault::kField);
  }
  if (fields_ == kFieldsMax) return std::unexpected(AnswerFault::kTooLarge);
  ++fields_;
  may_fold_ = !decides(line.substr(0, colon));
  return {};
}

std::expected<Answer, AnswerFault> AnswerReader::answer(std::string_view received) const {
  PENSTOCK_CHECK(length_ != 0 && received.size() >= length_);
  Answer out;
  out.status = status_;
  out.length = length_;
  bool encapsulated = false;
  const std::string unfolded = unfolded_lines(received.substr(0, length_));
  std::string_view lines = unfolded;
  for (Field field; http::take_field(lines, field);) {
    if (equals_ignoring_case(field.name, "encapsulated")) {
      const auto inside = read_encapsulated(field.value, method_, status_);
      if (!inside || encapsulated) return std::unexpected(AnswerFault::kEncapsulated);
      encapsulated = true;
      out.inside = *inside;
    } else if (equals_ignoring_case(field.name, "connection")) {
      out.close = out.close || lists(field.value, "close");
    } else if (equals_ignoring_case(field.name, "istag")) {
      out.istag = field.value.substr(0, kIstagMax);
    } else if (equals_ignoring_case(field.name, "x-infection-found") ||
               equals_ignoring_case(field.name, "x-virus-id")) {
      out.threat = field.value.substr(0, kThreatMax);
    }
  }
  if (status_ == 200 && method_ != Method::kOptions && !encapsulated) {
    return std::unexpected(AnswerFault::kEncapsulated);
  }
  if (out.inside.head_bytes > inside_max_) return std::unexpected(AnswerFault::kTooLarge);
  return out;
}

Options read_options(std::string_view head) {
  Options out;
  const std::string unfolded = unfolded_lines(head);
  std::string_view lines = unfolded;
  for (Field field; http::take_field(lines, field);) {
    const auto is = [&field](std::string_view name) {
      return equals_ignoring_case(field.name, name);
    };
    if (is("methods")) {
      out.reqmod = out.reqmod || lists(field.value, "REQMOD");
      out.respmod = out.respmod || lists(field.value, "RESPMOD");
    } else if (is("preview")) {
      out.preview = parse_decimal(field.value, kNumberMax);
    } else if (is("options-ttl")) {
      const auto seconds = parse_decimal(field.value, kNumberMax);
      if (seconds) out.ttl = std::min<Duration>(std::chrono::seconds(*seconds), Options::kTtlMax);
    } else if (is("max-connections")) {
      out.connections = parse_decimal(field.value, kNumberMax);
    } else if (is("istag")) {
      out.istag = field.value.substr(0, AnswerReader::kIstagMax);
    } else if (is("transfer-preview")) {
      take_extensions(out, Transfer::kPreview, field.value);
    } else if (is("transfer-ignore")) {
      take_extensions(out, Transfer::kIgnore, field.value);
    } else if (is("transfer-complete")) {
      take_extensions(out, Transfer::kComplete, field.value);
    }
  }
  return out;
}

Transfer Options::transfer_of(std::string_view path) const {
  const std::string_view file = path.substr(path.rfind('/') + 1);
  const size_t dot = file.rfind('.');
  if (dot == file.npos) return others;
  const std::string extension = lower(file.substr(dot + 1));
  for (size_t i = 0; i < kTransfers; ++i) {
    const auto& listed = extensions[i];
    if (std::ranges::find(listed, extension) != listed.end()) return static_cast<Transfer>(i);
  }
  return others;
}

}  // namespace penstock::icap
