#include "identity/jwt.h"

#include <algorithm>
#include <cmath>

#include "base/ascii.h"
#include "base/base64.h"
#include "http/credentials.h"
#include "identity/strict_json.h"

namespace penstock::identity {

using nlohmann::json;

namespace {

std::unexpected<JwtFault> bad(JwtFault fault) {
  return std::unexpected(fault);
}

// Three parts, none of which has a dot.
struct Parts {
  std::string_view header;
  std::string_view payload;
  std::string_view signature;
  std::string_view signed_text;  // the first two with their dot
};

std::optional<Parts> split(std::string_view token) {
  if (token.size() > http::kCredentialBytesMax || std::ranges::count(token, '.') != 2) {
    return std::nullopt;
  }
  const size_t first = token.find('.');
  const size_t second = token.rfind('.');
  return Parts{token.substr(0, first), token.substr(first + 1, second - first - 1),
               token.substr(second + 1), token.substr(0, second)};
}

std::optional<json> object_in(std::string_view base64url) {
  const auto text = decode_base64url(base64url);
  if (!text) return std::nullopt;
  auto out = parse_strict(*text);
  if (!out || !out->is_object()) return std::nullopt;
  return out;
}

// A token that was made for something else, such as a logout token, is not a login (RFC 8725
// section 3.11).
bool is_type_of_access(std::string_view type) {
  constexpr std::string_view kPrefix = "application/";
  if (type.size() > kPrefix.size() &&
      equals_ignoring_case(type.substr(0, kPrefix.size()), kPrefix)) {
    type.remove_prefix(kPrefix.size());
  }
  return equals_ignoring_case(type, "jwt") || equals_ignoring_case(type, "at+jwt");
}

// What the header asks for must be what we do; what we do not know of, we must (RFC 7515 section
// 4.1.11).
bool is_plain(const json& header) {
  if (header.contains("crit") || header.contains("b64") || header.contains("cty") ||
      header.contains("zip") || header.contains("enc")) {
    return false;
  }
  if (!header.contains("typ")) return true;
  const std::string* type = string_in(header, "typ");
  return type != nullptr && is_type_of_access(*type);
}

std::expected<const Key*, JwtFault> key_for(const json& header, const KeySet& keys) {
  if (!is_plain(header)) return bad(JwtFault::kHeader);
  const std::string* algorithm = string_in(header, "alg");
  if (algorithm == nullptr) return bad(JwtFault::kHeader);
  std::optional<std::string> id;
  if (header.contains("kid")) {
    const std::string* text = string_in(header, "kid");
    if (text == nullptr) return bad(JwtFault::kHeader);
    id = *text;
  }
  const Key* const key = keys.find(id);
  if (key == nullptr) return bad(JwtFault::kUnknownKey);
  if (*algorithm != algorithm_word(key->algorithm())) return bad(JwtFault::kAlgorithm);
  return key;
}

// Seconds since 1970 (RFC 7519 section 2: NumericDate may have a fraction).
std::optional<double> date_in(const json& claims, const char* name) {
  const auto found = claims.find(name);
  if (found == claims.end() || !found->is_number()) return std::nullopt;
  const double seconds = found->get<double>();
  constexpr double kMost = 1e12;
  if (!std::isfinite(seconds) || seconds < 0 || seconds > kMost) return std::nullopt;
  return seconds;
}

bool is_for(const json& claims, const std::vector<std::string>& audience) {
  const auto found = claims.find("aud");
  if (found == claims.end()) return false;
  const auto is_ours = [&](const json& one) {
    const auto* text = one.get_ptr<const std::string*>();
    return text != nullptr && std::ranges::find(audience, *text) != audience.end();
  };
  if (!found->is_array()) return is_ours(*found);
  return std::ranges::all_of(*found, [](const json& one) { return one.is_string(); }) &&
         std::ranges::any_of(*found, is_ours);
}

const json* claim(const json& claims, std::string_view name) {
  const json* at = &claims;
  const bool path = name.starts_with('/');
  while (!name.empty()) {
    if (path) name.remove_prefix(1);
    const std::string step(name.substr(0, path ? name.find('/') : name.npos));
    name.remove_prefix(step.size());
    if (!at->is_object()) return nullptr;
    const auto found = at->find(step);
    if (found == at->end()) return nullptr;
    at = &*found;
  }
  return at;
}

std::optional<Identity> holder(const json& claims, const JwtRules& rules) {
  Identity out;
  const json* const name = claim(claims, rules.identity_claim);
  if (name == nullptr || !name->is_string()) return std::nullopt;
  out.name = name->get<std::string>();
  if (const json* groups = claim(claims, rules.groups_claim); groups != nullptr) {
    // One that is not understood may be one that a rule refuses.
    if (groups->is_string()) {
      out.groups = {groups->get<std::string>()};
    } else if (groups->is_array() && groups->size() <= kGroupsMax) {
      for (const json& group : *groups) {
        if (!group.is_string()) return std::nullopt;
        out.groups.push_back(group.get<std::string>());
      }
    } else {
      return std::nullopt;
    }
  }
  if (!is_sound(out)) return std::nullopt;
  return out;
}

}  // namespace

std::string_view sentence(JwtFault fault) {
  switch (fault) {
    case JwtFault::kMalformed: return "is not three parts of base64url with two JSON objects";
    case JwtFault::kHeader: return "has a header that asks for something else";
    case JwtFault::kUnknownKey: return "is signed with a key that is not in the set";
    case JwtFault::kAlgorithm: return "names another algorithm than its key has";
    case JwtFault::kSignature: return "has a wrong signature";
    case JwtFault::kIssuer: return "has another issuer";
    case JwtFault::kAudience: return "is for another audience";
    case JwtFault::kExpired: return "has expired, or never says when";
    case JwtFault::kEarly: return "is not valid yet";
    case JwtFault::kIdentity: return "has no usable claim for identity or groups";
  }
  return "";
}

std::expected<JwtHolder, JwtFault> check_token(std::string_view token, const KeySet& keys,
                                               const JwtRules& rules, int64_t now) {
  const auto parts = split(token);
  if (!parts) return bad(JwtFault::kMalformed);
  const auto header = object_in(parts->header);
  const auto signature = decode_base64url(parts->signature);
  if (!header || !signature) return bad(JwtFault::kMalformed);
  const auto key = key_for(*header, keys);
  if (!key) return bad(key.error());
  if (!(*key)->signed_it(parts->signed_text, *signature)) return bad(JwtFault::kSignature);

  // From here on the issuer is speaking.
  const auto claims = object_in(parts->payload);
  if (!claims) return bad(JwtFault::kMalformed);
  const std::string* issuer = string_in(*claims, "iss");
  if (issuer == nullptr || *issuer != rules.issuer) return bad(JwtFault::kIssuer);
  if (!is_for(*claims, rules.audience)) return bad(JwtFault::kAudience);
  const auto leeway = static_cast<double>(rules.leeway / std::chrono::seconds(1));
  const auto expires = date_in(*claims, "exp");
  if (!expires || *expires + leeway <= static_cast<double>(now)) return bad(JwtFault::kExpired);
  if (claims->contains("nbf")) {
    const auto from = date_in(*claims, "nbf");
    if (!from || *from - leeway > static_cast<double>(now)) return bad(JwtFault::kEarly);
  }
  auto identity = holder(*claims, rules);
  if (!identity) return bad(JwtFault::kIdentity);
  return JwtHolder{std::move(*identity), static_cast<int64_t>(*expires + leeway)};
}

}  // namespace penstock::identity
