#include "policy/host_set.h"

#include "base/words.h"
#include "policy/address_class.h"

namespace penstock::policy {

HostSet::HostSet(std::span<const Pattern> patterns) {
  std::vector<IpPrefix> prefixes;
  for (const Pattern& pattern : patterns) {
    switch (pattern.kind) {
      case Pattern::Kind::kName: names_.add(pattern.name); break;
      case Pattern::Kind::kSuffix: suffixes_.add(pattern.name); break;
      case Pattern::Kind::kAny: any_ = true; break;
      case Pattern::Kind::kPrefix: prefixes.push_back(pattern.prefix); break;
    }
  }
  prefixes_ = PrefixSet(std::move(prefixes));
}

bool HostSet::contains(const http::Authority& host) const {
  if (any_) return true;
  if (host.literal) {
    const auto v4 = mapped_v4(*host.literal);  // the same host in other words
    return prefixes_.contains(*host.literal) || (v4 && prefixes_.contains(*v4));
  }
  const std::string_view name = host.host;
  NameHash hash;
  for (size_t at = name.size(); at > 0; --at) {
    if (name[at - 1] == '.' && suffixes_.find(name.substr(at), hash.value()) != NameIndex::kNone) {
      return true;
    }
    hash.prepend(name[at - 1]);
  }
  return names_.find(name, hash.value()) != NameIndex::kNone;
}

std::vector<Pattern> parse_host_patterns(std::span<const Located<std::string>> words,
                                         std::string_view key, Faults& faults) {
  std::vector<Pattern> out;
  for (const Located<std::string>& word : words) {
    if (auto pattern = parse_host_pattern(word.value)) {
      out.push_back(std::move(*pattern));
    } else {
      faults.push_back({word.place, std::string(key) + ": " + pattern.error()});
    }
  }
  return out;
}

std::expected<std::vector<Pattern>, Faults> parse_host_lines(std::string_view text) {
  std::vector<Pattern> out;
  Faults faults;
  for (int number = 1; !text.empty(); ++number) {
    std::string_view line = take_line(text);
    line = line.substr(0, line.find('#'));
    const std::string_view word = take_word(line);
    if (word.empty()) continue;
    if (!take_word(line).empty()) {
      faults.push_back({{number, 1}, "has more than one word; write one host a line"});
    } else if (auto pattern = parse_host_pattern(word)) {
      out.push_back(std::move(*pattern));
    } else {
      faults.push_back({{number, 1}, pattern.error()});
    }
  }
  if (!faults.empty()) return std::unexpected(std::move(faults));
  return out;
}

}  // namespace penstock::policy
