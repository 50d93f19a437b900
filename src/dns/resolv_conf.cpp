#include "dns/resolv_conf.h"

#include <algorithm>

#include "base/ascii.h"
#include "base/words.h"
#include "dns/message.h"
#include "http/authority.h"

namespace penstock::dns {
namespace {

std::vector<std::string> read_domains(std::string_view line) {
  std::vector<std::string> domains;
  for (auto word = take_word(line); !word.empty(); word = take_word(line)) {
    auto name = http::canonical_name(word);
    if (name && domains.size() < kSearchMax) domains.push_back(*std::move(name));
  }
  return domains;
}

// "name:12" with 12 brought into [low, high]; anything else leaves `value` alone.
void read_option(std::string_view word, std::string_view name, int low, int high, int& value) {
  if (!word.starts_with(name)) return;
  const auto number = parse_decimal(word.substr(name.size()), 1'000'000);
  if (number) value = std::clamp(static_cast<int>(*number), low, high);
}

}  // namespace

ResolvConf ResolvConf::parse(std::string_view text) {
  ResolvConf out;
  while (!text.empty()) {
    std::string_view line = take_line(text);
    line = line.substr(0, line.find_first_of("#;"));
    const std::string_view keyword = take_word(line);
    if (keyword == "nameserver") {
      const auto address = IpAddress::parse(take_word(line));
      if (address && out.servers.size() < kServersMax) out.servers.push_back({*address, kDnsPort});
    } else if (keyword == "search" || keyword == "domain") {
      out.search = read_domains(line);  // the last one counts
    } else if (keyword == "options") {
      for (auto word = take_word(line); !word.empty(); word = take_word(line)) {
        read_option(word, "ndots:", 0, 15, out.ndots);
        read_option(word, "attempts:", 1, 3, out.attempts);
      }
    }
  }
  if (out.servers.empty()) out.servers.push_back({IpAddress::from_v4(127, 0, 0, 1), kDnsPort});
  return out;
}

std::vector<std::string> ResolvConf::candidates(const std::string& name) const {
  std::vector<std::string> names;
  for (const std::string& domain : search) {
    if (name.size() + 1 + domain.size() <= kNameMax)
      names.push_back(std::string(name).append(1, '.').append(domain));
  }
  const bool absolute_first = std::ranges::count(name, '.') >= ndots;
  names.insert(absolute_first ? names.begin() : names.end(), name);
  return names;
}

}  // namespace penstock::dns
