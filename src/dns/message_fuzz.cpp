// What a name server, or somebody who pretends to be one, sends. Beyond memory safety: only
// addresses of the asked family, no more than the bound, each once; and the same answer twice.
#include <algorithm>

#include "base/check.h"
#include "dns/message.h"

namespace {

using penstock::dns::Finding;
using penstock::dns::RecordType;
using penstock::dns::Reply;

void read(std::span<const uint8_t> message, RecordType type) {
  const Reply reply = penstock::dns::read_reply(message, "www.example.com", type);
  PENSTOCK_CHECK((reply.finding == Finding::kAddresses) == !reply.addresses.empty());
  PENSTOCK_CHECK(reply.addresses.size() <= penstock::dns::kAddressesMax);
  for (const auto& address : reply.addresses) {
    PENSTOCK_CHECK(address.v6 == (type == RecordType::kAaaa));
    PENSTOCK_CHECK(std::ranges::count(reply.addresses, address) == 1);
  }
  if (reply.finding == Finding::kAddresses) PENSTOCK_CHECK(reply.ttl <= INT32_MAX);
  const Reply again = penstock::dns::read_reply(message, "www.example.com", type);
  PENSTOCK_CHECK(again.finding == reply.finding && again.addresses == reply.addresses &&
                 again.ttl == reply.ttl);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  read({bytes, size}, RecordType::kA);
  read({bytes, size}, RecordType::kAaaa);
  return 0;
}
