#include "probe/refusal.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/ascii.h"
#include "http/answer_fields.h"

namespace penstock::probe {
namespace {

// RFC 9209 section 2.3.
constexpr std::pair<std::string_view, std::string_view> kErrors[] = {
    {"dns_timeout", "The proxy's name servers did not answer: look at its DNS."},
    {"dns_error",
     "The proxy could not look the origin's name up: check the spelling, then the proxy's DNS."},
    {"destination_not_found", "The proxy knows no such origin: check the spelling of its name."},
    {"destination_unavailable",
     "The proxy could not connect to the origin: it may be down, or the proxy cut off from it."},
    {"destination_ip_prohibited",
     "The name leads to an address that the proxy's policy closes (often an internal one): whoever "
     "runs the proxy can open it on purpose."},
    {"destination_ip_unroutable",
     "The proxy has no route to the origin's address: look at its network."},
    {"connection_refused",
     "Nobody listens at the origin, as the proxy sees it: check the port, and the origin."},
    {"connection_terminated", "The connection to the origin broke before the tunnel was there."},
    {"connection_timeout",
     "The origin did not answer the proxy: it is down, or a firewall drops what the proxy sends."},
    {"connection_read_timeout", "The next proxy did not answer this one in time."},
    {"connection_write_timeout", "The next proxy did not take this one's request in time."},
    {"connection_limit_reached",
     "The proxy carries or sets up as many connections as it may: try again shortly; if it lasts, "
     "its limits are too low."},
    {"tls_protocol_error", "The proxy's own TLS connection onwards failed."},
    {"tls_certificate_error", "The proxy does not trust the certificate of who is next to it."},
    {"tls_alert_received", "Who is next to the proxy ended its TLS connection with an alert."},
    {"http_request_error", "The proxy could not read the request: the details say why."},
    {"http_request_denied",
     "The proxy's policy does not allow this origin for you: ask whoever runs the proxy."},
    {"http_protocol_error", "The next proxy's answer was no HTTP: is it a proxy?"},
    {"http_response_incomplete", "The next proxy's answer broke off."},
    {"http_response_header_section_size",
     "The head of the next proxy's answer was larger than this one accepts."},
    {"http_upgrade_failed", "The next proxy did not switch to what this one asked for."},
    {"proxy_internal_response", "The proxy answered by itself, and did not ask the origin."},
    {"proxy_internal_error", "The proxy failed by itself: its log says why."},
    {"proxy_configuration_error", "The proxy is set up wrongly: its log says where."},
    {"proxy_loop_detected", "The way leads back to the proxy itself: look at its routes and DNS."},
};

constexpr std::pair<int, std::string_view> kStatuses[] = {
    {400, "The proxy could not read the CONNECT, or this is no proxy: check its URL."},
    {401, "This is a web server that wants to know who asks, not a proxy: check the proxy's URL."},
    {403, "The proxy does not allow this origin: ask whoever runs the proxy."},
    {404, "This is a web server, not a proxy: check the proxy's URL."},
    {405, "This server takes no CONNECT: it is a web server, or its proxying is switched off."},
    {407, "The proxy wants to know who asks: write --proxy http://USER:PASSWORD@HOST:PORT."},
    {429, "You ask more often than the proxy allows: wait."},
    {500, "The proxy failed by itself: its log says why."},
    {501, "This server does not know CONNECT: it is no forward proxy."},
    {502, "The proxy could not reach the origin."},
    {503, "The proxy is full, or could not reach the origin: try again shortly."},
    {504, "The origin, or the proxy's DNS, did not answer the proxy in time."},
};

constexpr std::pair<int, std::string_view> kClasses[] = {
    {3, "The proxy sends elsewhere, as captive portals do: open a page in a browser first."},
    {4, "The proxy does not serve this request."},
    {5, "The proxy failed to open the tunnel."},
};

// HTML is no sentence.
std::string plain_text(std::string_view head, std::string_view body) {
  const auto types = http::field_values(head, "Content-Type");
  const bool plain = !types.empty() && lower(types.front()).starts_with("text/plain");
  return plain ? printable(body.substr(0, body.find_first_of("\r\n"))) : std::string();
}

}  // namespace

std::string printable(std::string_view text, size_t size) {
  std::string out(text.substr(0, size));
  for (char& c : out) {
    const auto byte = static_cast<uint8_t>(c);
    // C1 controls hide in UTF-8, and some terminals obey them: ASCII is enough here.
    if (byte < 0x20 || byte >= 0x7f) c = '?';
  }
  return text.size() > size ? out + "..." : out;
}

Refusal read_refusal(int status, std::string_view head, std::string_view body) {
  Refusal out{.status = status, .proxy = {}, .error = {}, .details = {}, .text = {}};
  // The last member that reports an error is the proxy nearest to us.
  for (const http::ProxyStatus& reported : http::proxy_statuses(head)) {
    if (reported.error.empty() && !out.error.empty()) continue;
    out.proxy = printable(reported.proxy, 80);
    out.error = printable(reported.error, 64);
    out.details = printable(reported.details, 120);
  }
  out.text = plain_text(head, body);
  return out;
}

std::string what_was_said(const Refusal& refusal) {
  std::string out = fmt::format("refused with {}", refusal.status);
  if (!refusal.error.empty()) {
    out += fmt::format(": {} reports {}", refusal.proxy, refusal.error);
    if (!refusal.details.empty()) out += fmt::format(" ({})", refusal.details);
  }
  if (!refusal.text.empty()) out += fmt::format("; it says \"{}\"", refusal.text);
  return out;
}

std::string what_it_means(const Refusal& refusal) {
  for (const auto& [error, sentence] : kErrors) {
    if (error == refusal.error) return std::string(sentence);
  }
  for (const auto& [status, sentence] : kStatuses) {
    if (status == refusal.status) return std::string(sentence);
  }
  for (const auto& [first_digit, sentence] : kClasses) {
    if (first_digit == refusal.status / 100) return std::string(sentence);
  }
  return "The proxy does not open the tunnel.";
}

}  // namespace penstock::probe
