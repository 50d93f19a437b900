#include "h2/request.h"

#include <algorithm>

#include "base/ascii.h"
#include "h2/fields.h"
#include "http/request_parts.h"
#include "http/structured.h"

namespace penstock::h2 {
namespace {

void append_line(std::string& out, std::string_view name, std::string_view value) {
  out += name;
  out += ": ";
  out += value;
  out += "\r\n";
}

}  // namespace

void RequestReader::take(std::string_view name, std::string_view value) {
  bytes_ += name.size() + value.size() + kFieldOverhead;
  ++fields_;
  if (bytes_ > limits_.bytes) return refuse(Code::kHeadTooLarge);
  if (fields_ > limits_.fields) return refuse(Code::kTooManyFields);
  if (std::ranges::any_of(value, http::is_control)) return refuse(Code::kForbiddenByte);
  if (name.starts_with(':')) return take_pseudo(name, value);
  regular_ = true;
  if (!is_field_name(name)) return refuse(Code::kBadFieldName);
  if (belongs_to_connection(name, value)) return refuse(Code::kHttp1Field);
  take_regular(name, value);
}

void RequestReader::keep(std::optional<std::string>& into, std::string_view value, Code twice) {
  if (into) return refuse(twice);
  into = value;
}

void RequestReader::take_pseudo(std::string_view name, std::string_view value) {
  if (regular_) return refuse(Code::kBadPseudoField);
  if (name == ":method") return keep(method_, value, Code::kBadPseudoField);
  if (name == ":authority") return keep(authority_, value, Code::kBadPseudoField);
  if (name == ":path") return keep(path_, value, Code::kBadPseudoField);
  if (name == ":scheme") return keep(scheme_, value, Code::kBadPseudoField);
  if (name == ":protocol" && !protocol_) {
    protocol_ = true;
  } else {
    refuse(Code::kBadPseudoField);
  }
}

void RequestReader::take_regular(std::string_view name, std::string_view value) {
  if (name == "host") return keep(host_, value, Code::kDuplicateHost);
  if (name == "content-length")
    return keep(length_, value, is_connect() ? Code::kContentLength : Code::kBodyFraming);
  if (name == "proxy-authorization") {
    two_credentials_ = two_credentials_ || !credentials_.empty();
    // Reserved at once, so that no copy of it is left behind by growing.
    if (credentials_.empty()) credentials_.assign(value.empty() ? std::string_view(" ") : value);
  } else if (is_connect() || failure_) {
    return;
  } else if (name == "cookie") {
    if (!cookies_.empty()) cookies_ += "; ";
    cookies_ += value;
  } else {
    append_line(fields_text_, name, value);
  }
}

// Of a CONNECT.
Result<http::Authority> RequestReader::target() const {
  if (protocol_) return fail(Code::kExtendedConnect);
  if (scheme_ || path_ || !authority_) return fail(Code::kBadPseudoField);
  auto target = http::parse_authority(*authority_);
  if (!target) return std::unexpected(target.error());
  if (length_) return fail(Code::kContentLength);
  if (host_) {
    const auto host = http::parse_host_field(*host_);
    if (!host) return fail(Code::kBadHost);
    if (!host->agrees_with(*target)) return fail(Code::kHostMismatch);
  }
  return target;
}

// What an authority is must not depend on the path behind it, nor the other way round.
Result<std::string> RequestReader::head(bool last) const {
  if (protocol_ || !scheme_ || !path_) return fail(Code::kBadPseudoField);
  const auto& authority = authority_ ? authority_ : host_;
  if (!authority) return fail(Code::kMissingHost);
  if (!http::is_token(*method_)) return fail(Code::kBadPseudoField);
  if (!equals_ignoring_case(*scheme_, scheme_expected_)) return fail(Code::kScheme);
  if (const auto host = http::parse_host_field(*authority); !host) {
    return std::unexpected(host.error());
  }
  const bool all = *path_ == "*" && method_ == "OPTIONS";
  if (!all && !path_->starts_with('/')) return fail(Code::kTargetForm);
  if (last && length_ && *length_ != "0") return fail(Code::kBodyFraming);

  std::string out = *method_ + ' ' + std::string(scheme_expected_) + "://" + *authority;
  if (!all) out += *path_;
  out += " HTTP/1.1\r\n";
  append_line(out, "Host", host_ ? *host_ : *authority);
  out += fields_text_;
  if (!cookies_.empty()) append_line(out, "Cookie", cookies_);
  if (length_) append_line(out, "Content-Length", *length_);
  if (!length_ && !last) append_line(out, "Transfer-Encoding", "chunked");
  return out + "\r\n";
}

Result<Request> RequestReader::request(bool last) const {
  if (failure_) return fail(*failure_);
  if (!method_ || method_->empty()) return fail(Code::kBadPseudoField);
  Request out;
  if (is_connect()) {
    auto asked = target();
    if (!asked) return std::unexpected(asked.error());
    out.target = std::move(*asked);
  } else {
    auto asked = head(last);
    if (!asked) return std::unexpected(asked.error());
    out.head = std::move(*asked);
  }
  http::KeyFields keys;
  if (!credentials_.empty()) keys.authorization = credentials_;
  keys.second_authorization = two_credentials_;
  auto credentials = http::read_credentials(keys);
  if (!credentials) return std::unexpected(credentials.error());
  out.credentials = std::move(*credentials);
  return out;
}

std::string RequestReader::sketch() const {
  const std::string line =
      method_.value_or("") + " " + authority_.value_or("") + path_.value_or("") + " ";
  const auto [method, target] = http::sketch_request_line(line);
  return std::string(method) + " " + std::string(target);
}

}  // namespace penstock::h2
