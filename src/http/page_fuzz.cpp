// Whatever a client says it accepts, and whatever a host is called: a page has no mark-up that is
// not its own, and a problem document is JSON. Seeds: fuzz/corpus/page, one Accept field each with
// a host and an id on lines of their own. The error comes from the last byte, which stays part of
// the input.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "http/page.h"

namespace penstock::http {
namespace {

std::string_view take_line(std::string_view& rest) {
  const std::string_view line = rest.substr(0, rest.find('\n'));
  rest.remove_prefix(std::min(rest.size(), line.size() + 1));
  return line;
}

Error error_of(std::string_view bytes) {
  int code = bytes.empty() ? 0 : static_cast<uint8_t>(bytes.back()) % kCodeCount;
  while (facts(static_cast<Code>(code)).status == 0) code = (code + 1) % kCodeCount;
  return Error{static_cast<Code>(code)};
}

std::string_view body_of(std::string_view page) {
  const size_t end = page.find("\r\n\r\n");
  PENSTOCK_CHECK(end != page.npos);
  return page.substr(end + 4);
}

// One object of strings, numbers and truths, as far as that can be told without a parser.
void judge_json(std::string_view text) {
  PENSTOCK_CHECK(text.starts_with('{') && text.ends_with("}\n"));
  text.remove_suffix(1);
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    PENSTOCK_CHECK(static_cast<uint8_t>(text[i]) >= 0x20);
    if (text[i] == '"') quoted = !quoted;
    if (text[i] == '\\') PENSTOCK_CHECK(quoted && ++i < text.size());
    if (!quoted && (text[i] == '{' || text[i] == '}')) {
      PENSTOCK_CHECK((text[i] == '{') == (i == 0) && (i == 0 || i == text.size() - 1));
    }
  }
  PENSTOCK_CHECK(!quoted);
}

void judge(std::string_view bytes) {
  std::string_view rest = bytes;
  const std::string_view accept = take_line(rest);
  const std::string_view host = take_line(rest);
  const Error error = error_of(bytes);
  const std::string page = refusal_page(error, {.accept = accept, .host = host, .id = rest});
  const std::string_view body = body_of(page);
  if (!prefers_html(accept)) return judge_json(body);
  // As many tags as without anything of the client's, apart from the rows around it.
  const std::string plain = refusal_page(
      error, {.accept = accept, .host = host.empty() ? "" : "h", .id = rest.empty() ? "" : "i"});
  PENSTOCK_CHECK(std::ranges::count(body, '<') == std::ranges::count(body_of(plain), '<'));
  PENSTOCK_CHECK(std::ranges::count(body, '>') == std::ranges::count(body_of(plain), '>'));
  PENSTOCK_CHECK(std::ranges::count(body, '"') == std::ranges::count(body_of(plain), '"'));
  PENSTOCK_CHECK(
      std::ranges::all_of(body, [](char c) { return c == '\n' || (c >= 0x20 && c < 0x7f); }));
}

}  // namespace
}  // namespace penstock::http

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  penstock::http::judge(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
