// A set of host patterns, as `except:` and `hosts:` have them: thousands of them cost no more to
// ask than a few.
// Thread: any, once built.   Cost: one walk over the name; no allocation.
#pragma once

#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/fault.h"
#include "http/authority.h"
#include "policy/name_index.h"
#include "policy/pattern.h"
#include "policy/prefix_set.h"

namespace penstock::policy {

class HostSet {
 public:
  HostSet() = default;
  explicit HostSet(std::span<const Pattern> patterns);

  // Whether one of the patterns names the host; the port plays no part.
  bool contains(const http::Authority& host) const;
  bool empty() const { return !any_ && names_.empty() && suffixes_.empty() && prefixes_.empty(); }

 private:
  NameIndex names_;
  NameIndex suffixes_;
  PrefixSet prefixes_;
  bool any_ = false;
};

// What stands behind `except:` and other keys of hosts; `key` is for messages. What is faulty is
// left out.
std::vector<Pattern> parse_host_patterns(std::span<const Located<std::string>> words,
                                         std::string_view key, Faults& faults);

// A file of host patterns, one a line; what stands behind a '#' is for people. All that is wrong
// with it, by line, or the patterns.
std::expected<std::vector<Pattern>, Faults> parse_host_lines(std::string_view text);

}  // namespace penstock::policy
