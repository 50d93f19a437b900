// What a proxy says that did not open the tunnel, in words: its status, the error of its
// Proxy-Status (RFC 9209) and what to do about it.
// Pure.
#pragma once

#include <string>
#include <string_view>

namespace penstock::probe {

struct Refusal {
  int status = 0;
  std::string proxy;    // the name under which it reports; empty: it has none
  std::string error;    // the error type of Proxy-Status; empty: none
  std::string details;  // what it adds, as it says it
  std::string text;     // the first line of its body, if that is plain text
};

// `head`: the final head of the answer. `body`: what has been read of it.
Refusal read_refusal(int status, std::string_view head, std::string_view body);

// "refused with 403: penstock reports http_request_denied (name_denied)"
std::string what_was_said(const Refusal& refusal);
// One sentence for the error, or for the status if there is none: what it means, what to do.
std::string what_it_means(const Refusal& refusal);

// A stranger's text for a terminal: one line, at most `size` bytes, without control bytes.
std::string printable(std::string_view text, size_t size = 300);

}  // namespace penstock::probe
