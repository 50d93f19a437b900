// The files that rules name in `inspect:`. They are read at start and at each reload.
#include <algorithm>
#include <utility>

#include "base/secret.h"
#include "config/config.h"
#include "http/edit.h"
#include "identity/read_file.h"
#include "policy/host_set.h"

namespace penstock::config {
namespace {

constexpr size_t kHostsBytesMax = 4 * 1024 * 1024;
// Origins refuse longer fields.
constexpr size_t kValueBytesMax = 8 * 1024;

// Not one host of such a file may be read by a mistake in another line of it: all of it is good, or
// none.
void read_hosts(policy::InspectionSpec& spec, Faults& faults) {
  if (spec.except_file.value.empty()) return;
  const size_t before = faults.size();
  const std::string text = identity::text_of(spec.except_file, kHostsBytesMax, faults);
  if (faults.size() != before) return;
  auto hosts = policy::parse_host_lines(text);
  if (hosts) {
    spec.excepted_by_file = std::move(*hosts);
  } else {
    identity::tell(hosts.error(), spec.except_file, faults);
  }
}

// Editors and `echo` end a file with a newline that is no part of a value.
void read_value(policy::FieldSpec& field, Faults& faults) {
  if (field.file.value.empty()) return;
  const size_t before = faults.size();
  std::string text = identity::text_of(field.file, kValueBytesMax, faults);
  if (faults.size() != before) return;
  if (text.ends_with('\n')) text.pop_back();
  if (text.ends_with('\r')) text.pop_back();
  if (http::is_field_value(text)) {
    field.value.value = text;
  } else {
    identity::tell({{{},
                     "is no value of a field; write one line that is not empty and has no control "
                     "characters and no white space at its ends"}},
                   field.file, faults);
  }
  wipe(text);
}

bool names_files(const policy::RuleSpec& rule) {
  return rule.inspect && rule.inspect->names_files();
}

}  // namespace

std::expected<Snapshot, Faults> with_inspection(Snapshot config) {
  if (std::ranges::none_of(config->policy.rules, names_files)) return config;
  auto out = std::make_shared<Config>(*config);
  Faults faults;
  for (policy::RuleSpec& rule : out->policy.rules) {
    if (!names_files(rule)) continue;
    auto spec = std::make_shared<policy::InspectionSpec>(*rule.inspect);
    read_hosts(*spec, faults);
    for (policy::FieldSpec& field : spec->set_headers) read_value(field, faults);
    spec->files_read = true;
    rule.inspect = std::move(spec);
  }
  if (!faults.empty()) return std::unexpected(std::move(faults));
  auto rules = policy::Rules::compile(out->policy);
  if (!rules) return std::unexpected(std::move(rules.error()));
  out->rules = std::make_shared<const policy::Rules>(std::move(*rules));
  return out;
}

}  // namespace penstock::config
