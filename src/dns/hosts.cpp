#include "dns/hosts.h"

#include <algorithm>

#include "base/words.h"
#include "dns/message.h"
#include "http/authority.h"

namespace penstock::dns {

Hosts Hosts::parse(std::string_view text) {
  Hosts hosts;
  while (!text.empty()) hosts.add_line(take_line(text));
  return hosts;
}

void Hosts::add_line(std::string_view line) {
  line = line.substr(0, line.find('#'));
  const auto address = IpAddress::parse(take_word(line));
  if (!address) return;
  for (auto word = take_word(line); !word.empty(); word = take_word(line)) {
    auto name = http::canonical_name(word);
    if (!name) continue;
    auto& addresses = names_[*std::move(name)];
    if (addresses.size() < kAddressesMax &&
        std::ranges::find(addresses, *address) == addresses.end()) {
      addresses.push_back(*address);
    }
  }
}

const std::vector<IpAddress>* Hosts::find(std::string_view name) const {
  const auto found = names_.find(name);
  return found == names_.end() ? nullptr : &found->second;
}

bool is_localhost(std::string_view name) {
  return name == "localhost" || name.ends_with(".localhost");
}

}  // namespace penstock::dns
