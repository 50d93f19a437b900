// resolv.conf: whatever it says, there is a server to ask and every candidate is a name.
#include "base/check.h"
#include "dns/message.h"
#include "dns/resolv_conf.h"
#include "http/authority.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using namespace penstock::dns;
  const auto conf = ResolvConf::parse({reinterpret_cast<const char*>(bytes), size});
  PENSTOCK_CHECK(!conf.servers.empty() && conf.servers.size() <= kServersMax);
  PENSTOCK_CHECK(conf.ndots >= 0 && conf.ndots <= 15);
  PENSTOCK_CHECK(conf.attempts >= 1 && conf.attempts <= 3);
  PENSTOCK_CHECK(conf.search.size() <= kSearchMax);
  const std::string name = "a.b";
  const auto candidates = conf.candidates(name);
  PENSTOCK_CHECK(!candidates.empty() && candidates.size() <= kSearchMax + 1);
  int absolute = 0;
  for (const auto& candidate : candidates) {
    PENSTOCK_CHECK(penstock::http::canonical_name(candidate) == candidate);
    absolute += candidate == name;
  }
  PENSTOCK_CHECK(absolute == 1);
  return 0;
}
