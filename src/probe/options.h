// What `penstock probe` was asked to do, checked.
#pragma once

#include <optional>
#include <string>

#include "http/proxy_url.h"
#include "probe/model.h"
#include "probe/url.h"

namespace penstock::probe {

enum class Compare : uint8_t { kNothing, kDirect, kModel };

struct Options {
  // Predict from round trips, without a network; then everything about a request is unused.
  bool model = false;
  Assumptions assumptions;  // for `model` and Compare::kModel

  Url url;
  std::optional<http::ProxyUrl> proxy;  // empty: direct
  std::string proxy_from;  // "--proxy", "HTTPS_PROXY"; why there is none, if there is none
  int runs = 1;
  Compare compare = Compare::kNothing;
  Duration patience = std::chrono::seconds(10);  // with each phase
  std::string ca;                                // a file of authorities to trust as well
  bool insecure = false;                         // go on in spite of a bad certificate

  bool json = false;
  std::string csv;  // files; empty: none
  std::string svg;
};

}  // namespace penstock::probe
