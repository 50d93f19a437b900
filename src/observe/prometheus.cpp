#include "observe/prometheus.h"

#include <charconv>
#include <cmath>

#include "base/check.h"

namespace penstock::observe {
namespace {

// [a-zA-Z_:][a-zA-Z0-9_:]*
bool is_metric_name(std::string_view name) {
  if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
  for (const char c : name) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!letter && !(c >= '0' && c <= '9') && c != '_' && c != ':') return false;
  }
  return true;
}

// Length of the well-formed UTF-8 character at the start of `text` (RFC 3629), 0 if there is none.
size_t utf8_length(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  const size_t length = first >= 0xc2 && first <= 0xdf   ? 2
                        : first >= 0xe0 && first <= 0xef ? 3
                        : first >= 0xf0 && first <= 0xf4 ? 4
                                                         : 0;
  if (length == 0 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  // Overlong forms, surrogates and what lies beyond U+10FFFF.
  const unsigned second = byte(1);
  if (first == 0xe0 && second < 0xa0) return 0;
  if (first == 0xed && second > 0x9f) return 0;
  if (first == 0xf0 && second < 0x90) return 0;
  if (first == 0xf4 && second > 0x8f) return 0;
  return length;
}

// One label value that is not UTF-8 makes the reader reject the whole page, so that somebody
// who chooses a label could blind the monitoring.
void append_escaped(std::string& out, std::string_view text, bool quotes) {
  while (!text.empty()) {
    const char c = text[0];
    size_t taken = 1;
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '"' && quotes) {
      out += "\\\"";
    } else if ((taken = utf8_length(text)) > 0) {
      out += text.substr(0, taken);
    } else {
      taken = 1;
      out += "\xef\xbf\xbd";  // U+FFFD
    }
    text.remove_prefix(taken);
  }
}

void append(std::string& out, uint64_t number) {
  char buffer[24];
  out.append(buffer, std::to_chars(buffer, buffer + sizeof buffer, number).ptr);
}

void append(std::string& out, double number) {
  if (std::isnan(number)) {
    out += "NaN";
  } else if (std::isinf(number)) {
    out += number > 0 ? "+Inf" : "-Inf";
  } else {
    char buffer[32];  // the shortest form that reads back as the same double: at most 24
    out.append(buffer, std::to_chars(buffer, buffer + sizeof buffer, number).ptr);
  }
}

void append_label(std::string& out, std::string_view name, std::string_view value, bool& first) {
  out += first ? '{' : ',';
  first = false;
  out += name;
  out += "=\"";
  append_escaped(out, value, true);
  out += '"';
}

// `bound`: the "le" label of a bucket, empty for other samples.
void append_labels(std::string& out, Labels labels, std::string_view bound) {
  bool first = true;
  for (const auto& [name, value] : labels) append_label(out, name, value, first);
  if (!bound.empty()) append_label(out, "le", bound, first);
  if (!first) out += '}';
  out += ' ';
}

}  // namespace

void PrometheusText::metric(std::string_view name, std::string_view type, std::string_view help) {
  PENSTOCK_CHECK(is_metric_name(name));
  PENSTOCK_CHECK(type == "counter" || type == "gauge" || type == "histogram");
  name_ = name;
  text_.append("# HELP ").append(name).append(" ");
  append_escaped(text_, help, false);
  text_.append("\n# TYPE ").append(name).append(" ").append(type).append("\n");
}

void PrometheusText::sample(Labels labels, uint64_t value) {
  text_ += name_;
  append_labels(text_, labels, {});
  append(text_, value);
  text_ += '\n';
}

void PrometheusText::sample(Labels labels, double value) {
  text_ += name_;
  append_labels(text_, labels, {});
  append(text_, value);
  text_ += '\n';
}

void PrometheusText::histogram(Labels labels, const HistogramCounts& counts) {
  uint64_t cumulative = 0;
  for (size_t i = 0; i < counts.buckets.size(); ++i) {
    cumulative += counts.buckets[i];
    std::string bound;
    append(bound, i < counts.kUpperBounds.size() ? counts.kUpperBounds[i] : HUGE_VAL);
    text_.append(name_).append("_bucket");
    append_labels(text_, labels, bound);
    append(text_, cumulative);
    text_ += '\n';
  }
  text_.append(name_).append("_sum");
  append_labels(text_, labels, {});
  append(text_, counts.sum_seconds);
  text_.append("\n").append(name_).append("_count");
  append_labels(text_, labels, {});
  append(text_, counts.count);
  text_ += '\n';
}

}  // namespace penstock::observe
