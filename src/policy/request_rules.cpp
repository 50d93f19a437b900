#include "policy/request_rules.h"

#include <algorithm>

#include "base/ascii.h"
#include "http/edit.h"
#include "http/request_parts.h"
#include "http/structured.h"
#include "policy/askers.h"

namespace penstock::policy {
namespace {

constexpr std::string_view kContentType = "content-type";

bool has_lower_case(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return c >= 'a' && c <= 'z'; });
}

void parse_request_methods(const LocatedWords& words, std::vector<std::string>& out,
                           Faults& faults) {
  for (const Located<std::string>& word : words) {
    if (word.value == "CONNECT") {
      faults.push_back({word.place,
                        "methods: inside a tunnel nobody asks for another; remove "
                        "CONNECT"});
    } else if (!http::is_token(word.value) || has_lower_case(word.value)) {
      faults.push_back({word.place, "methods: \"" + word.value +
                                        "\" is no method; write GET or the like in capitals"});
    } else {
      out.push_back(word.value);
    }
  }
}

void parse_paths(const LocatedWords& words, std::vector<PathGlob>& out, Faults& faults) {
  for (const Located<std::string>& word : words) {
    auto glob = PathGlob::parse(word.value);
    if (glob) {
      out.push_back(std::move(*glob));
    } else {
      faults.push_back({word.place, "paths: \"" + word.value + "\" " + glob.error()});
    }
  }
}

// "type/subtype", of tokens; in a glob '*' is a token's byte like any other.
bool is_media_type(std::string_view text) {
  const size_t slash = text.find('/');
  return slash != text.npos && http::is_token(text.substr(0, slash)) &&
         http::is_token(text.substr(slash + 1));
}

void parse_content_types(const LocatedWords& words, std::vector<std::string>& out, Faults& faults) {
  for (const Located<std::string>& word : words) {
    if (is_media_type(word.value)) {
      out.push_back(lower(word.value));
    } else {
      faults.push_back({word.place, "content_types: \"" + word.value +
                                        "\" is no media type without parameters; write for "
                                        "example application/json or image/*"});
    }
  }
}

// The members of a list, of which a value without commas is one.
template <class Matches>
bool any_member(std::string_view value, Matches&& matches) {
  while (!value.empty()) {
    const size_t comma = std::min(value.find(','), value.size());
    if (matches(http::trim(value.substr(0, comma)))) return true;
    value.remove_prefix(std::min(comma + 1, value.size()));
  }
  return false;
}

std::string_view without_media_parameters(std::string_view value) {
  return http::trim(value.substr(0, value.find(';')));
}

bool is_among(const std::vector<std::string>& globs, const std::string& text) {
  return std::ranges::any_of(globs, [&text](const auto& glob) { return glob_matches(glob, text); });
}

}  // namespace

RequestRules::Item RequestRules::item_of(const RequestSpec& spec, Faults& faults) {
  Item out;
  out.place = spec.place;
  parse_request_methods(spec.methods, out.methods, faults);
  out.hosts = HostSet(parse_host_patterns(spec.hosts, "hosts", faults));
  parse_paths(spec.paths, out.paths, faults);
  parse_content_types(spec.content_types, out.content_types, faults);
  for (const RequestSpec::HeaderField& field : spec.headers) {
    if (!http::is_token(field.name.value)) {
      faults.push_back({field.name.place, "headers: \"" + field.name.value +
                                              "\" is no name of a header field; write for "
                                              "example X-Request-Id"});
    }
    out.headers.push_back({field.name.value, http::folded_name(field.name.value), field.glob.value,
                           lower(field.glob.value)});
  }
  out.body_max = spec.body_max;
  out.body_over = spec.body_over;
  return out;
}

RequestRules::RequestRules(const InspectionSpec& spec, Faults& faults) {
  const auto add = [&](const std::vector<RequestSpec>& items, std::vector<Item>& out) {
    for (const RequestSpec& item : items) {
      out.push_back(item_of(item, faults));
      on_paths_ = on_paths_ || !item.paths.empty();
    }
  };
  add(spec.allow, allow_);
  add(spec.deny, deny_);
}

// Django and Werkzeug, among others, make "delete" of what was sent a DELETE.
bool RequestRules::Item::has_method(std::string_view method, Manner manner) const {
  return methods.empty() || std::ranges::any_of(methods, [&](const std::string& one) {
           return manner == Manner::kStrict ? one == method : equals_ignoring_case(one, method);
         });
}

// What cannot be judged may be any path.
bool RequestRules::Item::has_path(const std::optional<PathReadings>& path, Manner manner) const {
  if (paths.empty()) return true;
  if (manner == Manner::kStrict) return path && allows(paths, *path);
  return !path || denies(paths, *path);
}

// Of several fields by that name, or of a list in one, any may be what the origin goes by.
bool RequestRules::Item::has_content_type(std::string_view fields, Manner manner) const {
  if (content_types.empty()) return true;
  const auto covers = [this](std::string_view value) {
    const std::string_view type = without_media_parameters(value);
    return is_media_type(type) && is_among(content_types, lower(type));
  };
  bool found = false;
  for (http::Field field; http::take_field(fields, field);) {
    if (http::folded_name(field.name) != kContentType) continue;
    if (manner == Manner::kGenerous && any_member(field.value, covers)) return true;
    if (manner == Manner::kStrict && !covers(field.value)) return false;
    found = found || equals_ignoring_case(field.name, kContentType);
  }
  return manner == Manner::kStrict && found;
}

bool RequestRules::Item::has_size(const std::optional<uint64_t>& bytes) const {
  if (body_max && (!bytes || *bytes > *body_max)) return false;
  return !body_over || !bytes || *bytes > *body_over;
}

// Strictly, every field by that name must match, and there must be one: an origin may go by the
// first, the last or all of them. Whoever hands fields to programs by CGI's rules (WSGI, PHP) makes
// one of X_Key and X-Key, so both count; but only what is really named so is there.
bool RequestRules::has_header(const Header& wanted, std::string_view fields, Manner manner) {
  const auto covers = [&wanted](std::string_view value) {
    return glob_matches(wanted.lower_glob, lower(value));
  };
  bool found = false;
  for (http::Field field; http::take_field(fields, field);) {
    if (http::folded_name(field.name) != wanted.folded) continue;
    if (manner == Manner::kGenerous) {
      if (covers(field.value) || any_member(field.value, covers)) return true;
    } else if (!glob_matches(wanted.glob, field.value)) {
      return false;
    }
    found = found || equals_ignoring_case(field.name, wanted.name);
  }
  return manner == Manner::kStrict && found;
}

bool RequestRules::Item::matches(const http::Authority& target, const InsideRequest& request,
                                 const std::optional<PathReadings>& path, Manner manner) const {
  return has_method(request.method, manner) && (hosts.empty() || hosts.contains(target)) &&
         has_size(request.body_bytes) && has_path(path, manner) &&
         has_content_type(request.fields, manner) &&
         std::ranges::all_of(headers, [&](const Header& wanted) {
           return has_header(wanted, request.fields, manner);
         });
}

RequestVerdict RequestRules::judge(const http::Authority& target,
                                   const InsideRequest& request) const {
  using Why = RequestVerdict::Why;
  const auto path = on_paths_ ? PathReadings::of(request.path) : std::nullopt;
  const auto first = [&](const std::vector<Item>& items, Manner manner) {
    return std::ranges::find_if(
        items, [&](const Item& item) { return item.matches(target, request, path, manner); });
  };
  if (const auto denied = first(deny_, Manner::kGenerous); denied != deny_.end()) {
    return {denied->paths.empty() || path ? Why::kDenied : Why::kPath, denied->place};
  }
  if (allow_.empty()) return {};
  const auto allowed = first(allow_, Manner::kStrict);
  if (allowed == allow_.end()) return {on_paths_ && !path ? Why::kPath : Why::kNoneAllows, {}};
  return {Why::kAllowed, allowed->place};
}

}  // namespace penstock::policy
