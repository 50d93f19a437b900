#include "http/answer_fields.h"

#include <algorithm>

#include "http/request_parts.h"
#include "http/structured.h"

namespace penstock::http {
namespace {

// A token as it is, or what is between the quotes of a string, with its escapes undone.
std::string bare_text(std::string_view item) {
  if (item.size() < 2 || item.front() != '"' || item.back() != '"') {
    return is_token(item) ? std::string(item) : std::string();
  }
  item = item.substr(1, item.size() - 2);
  std::string out;
  for (size_t i = 0; i < item.size(); ++i) {
    if (item[i] == '\\' && i + 1 < item.size()) ++i;
    out += item[i];
  }
  return out;
}

// Digits, and a fraction if there is one: "35", "35.042".
std::optional<Duration> parse_millis(std::string_view text) {
  constexpr uint64_t kDayMillis = uint64_t{24} * 60 * 60 * 1000;
  const size_t point = std::min(text.find('.'), text.size());
  const auto whole = parse_decimal(text.substr(0, point), kDayMillis);
  if (!whole) return std::nullopt;
  int64_t nanos = static_cast<int64_t>(*whole) * 1'000'000;
  if (point == text.size()) return Duration(nanos);
  int64_t digit_nanos = 100'000;
  const std::string_view fraction = text.substr(point + 1);
  if (fraction.empty() || !std::ranges::all_of(fraction, is_digit)) return std::nullopt;
  for (const char digit : fraction) {
    nanos += (digit - '0') * digit_nanos;
    digit_nanos /= 10;
  }
  return Duration(nanos);
}

}  // namespace

std::string_view final_head(std::string_view received, size_t length) {
  constexpr std::string_view kEmptyLine = "\r\n\r\n";
  const std::string_view heads = received.substr(0, length);
  if (heads.size() <= kEmptyLine.size()) return heads;
  const size_t before = heads.rfind(kEmptyLine, heads.size() - kEmptyLine.size() - 1);
  return before == heads.npos ? heads : heads.substr(before + kEmptyLine.size());
}

std::vector<std::string_view> field_values(std::string_view head, std::string_view name) {
  std::vector<std::string_view> out;
  while (!head.empty()) {
    const size_t end = std::min(head.find(kLineEnd), head.size());
    const std::string_view line = head.substr(0, end);
    head.remove_prefix(std::min(end + kLineEnd.size(), head.size()));
    const size_t colon = line.find(':');
    if (colon != line.npos && equals_ignoring_case(line.substr(0, colon), name)) {
      out.push_back(trim(line.substr(colon + 1)));
    }
  }
  return out;
}

std::vector<ProxyStatus> proxy_statuses(std::string_view head) {
  std::vector<ProxyStatus> out;
  for (std::string_view value : field_values(head, "Proxy-Status")) {
    while (!value.empty()) {
      std::string_view member = take_until(',', value);
      ProxyStatus status{
          .proxy = bare_text(trim(take_until(';', member))), .error = {}, .details = {}};
      while (!member.empty()) {
        std::string_view parameter = trim(take_until(';', member));
        const std::string_view key = take_until('=', parameter);
        if (key == "error" && is_token(parameter)) status.error = parameter;
        if (key == "details") status.details = bare_text(parameter);
      }
      if (!status.proxy.empty()) out.push_back(std::move(status));
    }
  }
  return out;
}

std::optional<Duration> server_timing(std::string_view head, std::string_view metric) {
  for (std::string_view value : field_values(head, "Server-Timing")) {
    while (!value.empty()) {
      std::string_view member = take_until(',', value);
      if (trim(take_until(';', member)) != metric) continue;
      while (!member.empty()) {
        std::string_view parameter = trim(take_until(';', member));
        if (equals_ignoring_case(trim(take_until('=', parameter)), "dur")) {
          return parse_millis(trim(parameter));
        }
      }
    }
  }
  return std::nullopt;
}

}  // namespace penstock::http
