// Any bytes as a pattern: it is refused with a reason, or it is accepted, prints to a text that
// parses to the same pattern, and compiles into rules that match exactly what it says. The same for
// a host without ports.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "policy/host_set.h"
#include "policy/pattern.h"
#include "policy/rules.h"

namespace {

using namespace penstock;
using namespace penstock::policy;

http::Authority witness_of(const Pattern& pattern) {
  http::Authority out;
  out.port = pattern.ports.front().first;
  switch (pattern.kind) {
    case Pattern::Kind::kName: out.host = pattern.name; break;
    case Pattern::Kind::kSuffix: out.host = "a.b." + pattern.name; break;
    case Pattern::Kind::kAny: out.host = "example.com"; break;
    case Pattern::Kind::kPrefix:
      out.host = pattern.prefix.address.text();
      out.literal = pattern.prefix.address;
      break;
  }
  return out;
}

// The same text as a host without ports.
void check_host(std::string_view text) {
  const auto pattern = parse_host_pattern(text);
  if (!pattern) {
    PENSTOCK_CHECK(!pattern.error().empty());
    return;
  }
  PENSTOCK_CHECK(pattern->ports.empty());
  const auto again = parse_host_pattern(pattern->text());
  PENSTOCK_CHECK(again.has_value() && *again == *pattern);
  const auto with_port = parse_pattern(pattern->text() + ":443");
  PENSTOCK_CHECK(with_port.has_value() && with_port->kind == pattern->kind);
  const HostSet set({&*pattern, 1});
  PENSTOCK_CHECK(!set.empty() && set.contains(witness_of(*with_port)));
  const auto lines = parse_host_lines(text);
  PENSTOCK_CHECK(!lines || lines->size() <= 1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_host(text);
  const auto pattern = parse_pattern(text);
  Spec spec;
  spec.rules.resize(1);
  spec.rules[0].name = "fuzz";
  spec.rules[0].patterns = {{std::string(text), Place{1, 1}}};
  const auto rules = Rules::compile(spec);
  PENSTOCK_CHECK(pattern.has_value() == rules.has_value());
  if (!pattern) {
    PENSTOCK_CHECK(!pattern.error().empty());
    return 0;
  }
  PENSTOCK_CHECK(!pattern->ports.empty());
  const auto again = parse_pattern(pattern->text());
  PENSTOCK_CHECK(again.has_value() && *again == *pattern);

  const Asker asker{IpAddress::from_v4(192, 0, 2, 1), ""};
  http::Authority target = witness_of(*pattern);
  PENSTOCK_CHECK(rules->judge_name(asker, target).allowed);
  if (pattern->kind == Pattern::Kind::kSuffix) {
    target.host = pattern->name;
    PENSTOCK_CHECK(!rules->judge_name(asker, target).allowed);
  }
  const int past = pattern->ports.back().last + 1;
  if (past <= 65535) {
    target = witness_of(*pattern);
    target.port = static_cast<uint16_t>(past);
    PENSTOCK_CHECK(!rules->judge_name(asker, target).allowed);
  }
  return 0;
}
