#include "icap/request.h"

#include <array>
#include <charconv>

#include "base/base64.h"

namespace penstock::icap {
namespace {

void add_field(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ").append(value).append("\r\n");
}

std::string encapsulated(const Asking& asking) {
  std::string out;
  size_t at = 0;
  const auto head = [&](std::string_view name, std::string_view bytes) {
    if (bytes.empty()) return;
    out.append(name).append("=").append(std::to_string(at)).append(", ");
    at += bytes.size();
  };
  head("req-hdr", asking.request);
  head("res-hdr", asking.answer);
  const std::string_view body = asking.method == Method::kReqmod ? "req-body" : "res-body";
  return out.append(asking.body ? body : "null-body").append("=").append(std::to_string(at));
}

}  // namespace

std::string head_of(const Service& service, const Asking& asking) {
  std::string out(word(asking.method));
  out.append(" ").append(service.uri()).append(" ICAP/1.0\r\n");
  add_field(out, "Host", service.authority.text());
  add_field(out, "User-Agent", "penstock");
  if (asking.allow_204) add_field(out, "Allow", "204");
  if (asking.preview) add_field(out, "Preview", std::to_string(*asking.preview));
  if (!asking.client.empty()) add_field(out, "X-Client-IP", asking.client);
  if (!asking.origin.empty()) add_field(out, "X-Server-IP", asking.origin);
  if (!asking.identity.empty()) {
    // A name may hold any byte, and a scheme in front is what services expect of it.
    add_field(out, "X-Authenticated-User",
              encode_base64("Local://" + std::string(asking.identity)));
  }
  add_field(out, "Encapsulated", encapsulated(asking));
  out += "\r\n";
  out += asking.request;
  out += asking.answer;
  return out;
}

std::string preview_of(std::string_view content, bool whole) {
  std::string out;
  if (!content.empty()) {
    std::array<char, 16> digits;
    const auto end =
        std::to_chars(digits.data(), digits.data() + digits.size(), content.size(), 16).ptr;
    out.append(digits.data(), end).append("\r\n").append(content).append("\r\n");
  }
  out += whole ? "0; ieof\r\n\r\n" : "0\r\n\r\n";
  return out;
}

}  // namespace penstock::icap
