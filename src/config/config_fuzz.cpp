// The configuration reader. Beyond memory safety: it answers the same twice, every fault has a
// message on one line and a place inside the file, and what is accepted keeps its promises.
#include <algorithm>
#include <string_view>

#include "base/check.h"
#include "config/config.h"

namespace {

using namespace penstock;

void check_faults(const Faults& faults, std::string_view text) {
  const auto lines = static_cast<int>(std::ranges::count(text, '\n')) + 1;
  for (const Fault& fault : faults) {
    PENSTOCK_CHECK(!fault.message.empty() && fault.message.size() < 4096);
    for (const char c : fault.message) PENSTOCK_CHECK(static_cast<unsigned char>(c) >= 0x20);
    // A lone carriage return is a line break to the YAML library.
    PENSTOCK_CHECK(fault.place.line >= 0);
    if (!text.contains('\r')) PENSTOCK_CHECK(fault.place.line <= lines);
    PENSTOCK_CHECK((fault.place.line == 0) == (fault.place.column == 0));
  }
}

void check_accepted(const config::Config& config, std::string_view text) {
  PENSTOCK_CHECK(!config.listeners.empty());
  PENSTOCK_CHECK(config.rules != nullptr);
  PENSTOCK_CHECK(config.rules->size() == config.policy.rules.size());
  PENSTOCK_CHECK(config.rules->mode() == config.policy.mode);
  PENSTOCK_CHECK(config.limits.head_bytes >= 1024 && config.limits.head_fields >= 1);
  PENSTOCK_CHECK(config.timeouts.attempt >= std::chrono::milliseconds(10));
  PENSTOCK_CHECK(config.dns.min_ttl <= config.dns.max_ttl);
  for (const auto& rule : config.policy.rules) PENSTOCK_CHECK(!rule.inspect || config.inspection);
  check_faults(config.warnings, text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  const auto parsed = config::parse(text, "fuzz.yaml");
  if (parsed) {
    check_accepted(**parsed, text);
  } else {
    PENSTOCK_CHECK(!parsed.error().empty());
    check_faults(parsed.error(), text);
  }
  const auto again = config::parse(text, "fuzz.yaml");
  PENSTOCK_CHECK(again.has_value() == parsed.has_value());
  if (!parsed) {
    PENSTOCK_CHECK(config::describe(parsed.error(), "f") == config::describe(again.error(), "f"));
  }
  return 0;
}
