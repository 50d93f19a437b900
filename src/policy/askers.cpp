#include "policy/askers.h"

namespace penstock::policy {

bool glob_matches(std::string_view pattern, std::string_view text) {
  size_t p = 0;
  size_t t = 0;
  size_t star = pattern.npos;  // the last '*' seen, and how far into text it reaches
  size_t reach = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      reach = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != pattern.npos) {
      p = star + 1;
      t = ++reach;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

Askers::Askers(std::span<const IpPrefix> clients, std::span<const std::string> identities)
    : any_identity_(identities.empty()),
      clients_(std::vector<IpPrefix>(clients.begin(), clients.end())) {
  for (const std::string& identity : identities) {
    if (identity.find('*') == identity.npos) {
      identities_.add(identity);
    } else {
      globs_.push_back(identity);
    }
  }
}

bool Askers::matches(const Asker& asker) const {
  if (!clients_.empty() && !clients_.contains(asker.client)) return false;
  if (any_identity_) return true;
  if (asker.identity.empty()) return false;
  if (identities_.find(asker.identity) != NameIndex::kNone) return true;
  for (const std::string& glob : globs_) {
    if (glob_matches(glob, asker.identity)) return true;
  }
  return false;
}

}  // namespace penstock::policy
