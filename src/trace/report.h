// Readings as people and programs read them. Pure: values in, text out.
#pragma once

#include <string>
#include <string_view>

#include "bpf/source.h"

namespace penstock::trace {

// What a report is about.
struct Span {
  std::string_view name;  // "interval" or "total"
  std::string ended;      // UTC
  Duration length{};
};

std::string text(const Span& span, const bpf::Source& source, const bpf::Readings& readings);
// One object, without a line's end.
std::string json(const Span& span, const bpf::Source& source, const bpf::Readings& readings);
std::string prometheus(const bpf::Readings& since_start);
// SVG: which share of the latencies was below which time.
std::string picture(const bpf::Source& source, const bpf::Readings& readings);

// "destination" or "listener": what the endpoint of a Where is.
std::string_view end_word(bpf::Direction direction);
// "ECONNREFUSED", or the number of an errno without a name.
std::string errno_text(int number);

}  // namespace penstock::trace
