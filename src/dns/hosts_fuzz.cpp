// The hosts file. An administrator writes it, but so do container engines and scripts. Beyond
// memory safety: the table is bounded by the text, and a line more changes nothing before it.
#include "base/check.h"
#include "dns/hosts.h"
#include "dns/message.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using penstock::dns::Hosts;
  const std::string text(reinterpret_cast<const char*>(bytes), size);
  const Hosts hosts = Hosts::parse(text);
  PENSTOCK_CHECK(hosts.size() <= size / 2);
  const Hosts longer = Hosts::parse(text + "\n192.0.2.1 added.by.fuzz\n");
  const auto* added = longer.find("added.by.fuzz");
  PENSTOCK_CHECK(added && !added->empty() && added->size() <= penstock::dns::kAddressesMax);
  PENSTOCK_CHECK(longer.size() - hosts.size() <= 1);
  return 0;
}
