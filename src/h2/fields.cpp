#include "h2/fields.h"

#include <algorithm>
#include <array>
#include <utility>

#include "http/structured.h"

namespace penstock::h2 {
namespace {

constexpr std::array<std::string_view, 25> kNoTrailers = {"accept-encoding",
                                                          "age",
                                                          "authorization",
                                                          "cache-control",
                                                          "content-encoding",
                                                          "content-length",
                                                          "content-range",
                                                          "content-type",
                                                          "cookie",
                                                          "cookie2",
                                                          "date",
                                                          "expect",
                                                          "expires",
                                                          "host",
                                                          "location",
                                                          "max-forwards",
                                                          "pragma",
                                                          "range",
                                                          "retry-after",
                                                          "set-cookie",
                                                          "te",
                                                          "trailer",
                                                          "transfer-encoding",
                                                          "www-authenticate",
                                                          "via"};

bool may_be_trailer(std::string_view name) {
  return std::ranges::find(kNoTrailers, name) == kNoTrailers.end() && !name.starts_with("proxy-") &&
         !name.starts_with("if-");
}

}  // namespace

bool is_field_name(std::string_view name) {
  return http::is_token(name) &&
         std::ranges::none_of(name, [](char c) { return c >= 'A' && c <= 'Z'; });
}

bool belongs_to_connection(std::string_view name, std::string_view value) {
  static constexpr std::array<std::string_view, 5> kNames = {
      "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"};
  return std::ranges::find(kNames, name) != kNames.end() || (name == "te" && value != "trailers");
}

void TrailersReader::take(std::string_view name, std::string_view value) {
  bytes_ += name.size() + value.size() + kFieldOverhead;
  bad_ = bad_ || bytes_ > limits_.bytes || ++count_ > limits_.fields || !is_field_name(name) ||
         belongs_to_connection(name, value) || std::ranges::any_of(value, http::is_control);
  if (!bad_ && may_be_trailer(name)) fields_.push_back({std::string(name), std::string(value)});
}

std::optional<std::vector<Field>> TrailersReader::trailers() {
  if (bad_) return std::nullopt;
  return std::move(fields_);
}

}  // namespace penstock::h2
