#include "base/error.h"

#include <array>

namespace penstock {
namespace {

constexpr std::array<ErrorFacts, kCodeCount> kFacts = {{
#define PENSTOCK_ERROR(name, side, status, proxy_status, word, sentence) \
  {#name, Side::side, status, proxy_status, word, sentence},
#include "base/error.def"
#undef PENSTOCK_ERROR
}};

}  // namespace

const ErrorFacts& facts(Code code) {
  return kFacts[static_cast<size_t>(code)];
}

std::string_view side_word(Side side) {
  switch (side) {
    case Side::kClient: return "client";
    case Side::kPolicy: return "policy";
    case Side::kProxy: return "proxy";
    case Side::kDns: return "dns";
    case Side::kParent: return "parent";
    case Side::kOrigin: return "origin";
  }
  return "proxy";
}

}  // namespace penstock
