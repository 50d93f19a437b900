#include "policy/inspection.h"

#include <algorithm>
#include <utility>

#include "base/base64.h"
#include "base/bytes.h"
#include "base/check.h"
#include "http/structured.h"

namespace penstock::policy {
namespace {

// Every request is searched for each of them.
constexpr size_t kFieldsMax = 64;

// A name that the owner may use, folded; empty: a fault.
std::string editable_name(const Located<std::string>& name, const std::string& key,
                          Faults& faults) {
  if (!http::is_token(name.value)) {
    faults.push_back({name.place, key + ": \"" + name.value +
                                      "\" is no name of a header field; write for example "
                                      "Authorization"});
    return {};
  }
  std::string folded = http::folded_name(name.value);
  if (http::may_edit(folded)) return folded;
  faults.push_back({name.place, key + ": " + name.value +
                                    " says where a request goes, where it ends or how it is "
                                    "carried, which the proxy writes itself; remove it"});
  return {};
}

// What is wrong is told without the value: it may be a secret.
void set_fields(const InspectionSpec& spec, http::FieldEdits& out, Faults& faults) {
  std::vector<std::string> seen;
  for (const FieldSpec& field : spec.set_headers) {
    const std::string folded = editable_name(field.name, "set_headers", faults);
    if (folded.empty()) continue;
    if (std::ranges::find(seen, folded) != seen.end()) {
      faults.push_back({field.name.place, "set_headers: " + field.name.value +
                                              " is set twice (case and \"_\" for \"-\" make no "
                                              "other field); remove one"});
    }
    seen.push_back(folded);
    const bool unread = !field.file.value.empty() && !spec.files_read;
    if (!unread && !http::is_field_value(field.value.value)) {
      faults.push_back({field.value.place,
                        "set_headers: what " + field.name.value +
                            " is set to is no value of a field; write one line that is not empty "
                            "and has no control characters and no white space at its ends"});
    }
    out.set.push_back({field.name.value, field.value.value});
  }
}

void remove_fields(const InspectionSpec& spec, http::FieldEdits& out, Faults& faults) {
  for (const Located<std::string>& name : spec.remove_headers) {
    std::string folded = editable_name(name, "remove_headers", faults);
    if (!folded.empty()) out.removed.push_back(std::move(folded));
  }
}

// As curl writes it for --pinnedpubkey.
void read_keys(const InspectionSpec& spec, std::vector<KeyDigest>& out, Faults& faults) {
  constexpr std::string_view kPrefix = "sha256//";
  for (const Located<std::string>& key : spec.origin_keys) {
    const std::string_view text = key.value;
    const auto bytes =
        text.starts_with(kPrefix) ? decode_base64(text.substr(kPrefix.size())) : std::nullopt;
    KeyDigest digest{};
    if (!bytes || bytes->size() != digest.size()) {
      faults.push_back({key.place, "origin_keys: \"" + key.value +
                                       "\" is no fingerprint of a public key; write sha256// and "
                                       "44 characters of base64, as curl's --pinnedpubkey has it"});
      continue;
    }
    std::ranges::copy(bytes_of(*bytes), digest.begin());
    out.push_back(digest);
  }
}

void bound_fields(const InspectionSpec& spec, Faults& faults) {
  if (spec.set_headers.size() + spec.remove_headers.size() <= kFieldsMax) return;
  faults.push_back({spec.place, "inspect: set_headers and remove_headers name more than " +
                                    std::to_string(kFieldsMax) + " fields; name fewer"});
}

}  // namespace

bool InspectionSpec::names_files() const {
  return !except_file.value.empty() || std::ranges::any_of(set_headers, [](const FieldSpec& field) {
    return !field.file.value.empty();
  });
}

std::shared_ptr<const Inspection> Inspection::compile(const InspectionSpec& spec, Faults& faults) {
  const size_t before = faults.size();
  auto out = std::make_shared<Inspection>();
  out->origin_faults = spec.origin_faults;
  out->other = spec.other;
  out->tunnel_pinned_after = static_cast<uint32_t>(spec.tunnel_pinned_after);
  read_keys(spec, out->origin_keys, faults);
  out->certificate = spec.certificate;
  out->key = spec.key;
  out->icap_request = spec.icap_request.value;
  out->icap_response = spec.icap_response.value;
  std::vector<Pattern> excepted = parse_host_patterns(spec.except, "except", faults);
  excepted.insert(excepted.end(), spec.excepted_by_file.begin(), spec.excepted_by_file.end());
  out->excepted_ = HostSet(excepted);
  out->requests_ = RequestRules(spec, faults);
  set_fields(spec, out->edits, faults);
  remove_fields(spec, out->edits, faults);
  bound_fields(spec, faults);
  out->whole_ = spec.files_read || !spec.names_files();
  if (faults.size() != before) return nullptr;
  return out;
}

bool Inspection::reads(const http::Authority& target) const {
  PENSTOCK_CHECK(whole_);
  return !excepted_.contains(target);
}

RequestVerdict Inspection::verdict(const http::Authority& target,
                                   const InsideRequest& request) const {
  PENSTOCK_CHECK(whole_);
  return requests_.judge(target, request);
}

std::optional<Code> Inspection::judge(const http::Authority& target,
                                      const InsideRequest& request) const {
  if (verdict(target, request).passes()) return std::nullopt;
  return Code::kRequestDenied;
}

}  // namespace penstock::policy
