#include "admission/shedding.h"

#include <algorithm>
#include <utility>

namespace penstock::admission {
namespace {

uint64_t with_margin(uint64_t refused) {
  return refused == 0 ? 0 : refused + refused / 8 + 1;
}

}  // namespace

uint64_t idle_to_close(const Refused& refused, uint64_t seats_free) {
  const uint64_t seats = with_margin(refused.for_seats);
  return std::max(seats, seats_free) - seats_free + with_margin(refused.for_memory);
}

std::vector<uint64_t> shares_of(std::span<const std::vector<Instant>> silent_since,
                                uint64_t wanted) {
  std::vector<std::pair<Instant, size_t>> all;  // of which worker
  for (size_t worker = 0; worker < silent_since.size(); ++worker) {
    for (const Instant since : silent_since[worker]) all.emplace_back(since, worker);
  }
  std::ranges::sort(all);
  std::vector<uint64_t> out(silent_since.size());
  for (size_t i = 0; i < std::min<size_t>(wanted, all.size()); ++i) ++out[all[i].second];
  return out;
}

}  // namespace penstock::admission
