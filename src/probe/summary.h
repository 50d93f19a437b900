// Several runs as one: the middle of each phase, the run that stands for all, and what two ways
// have to say about each other.
// Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "probe/measure.h"

namespace penstock::probe {

// All that one invocation has found out.
struct Found {
  Options options;
  std::vector<Measured> runs;    // the way that was asked for
  std::vector<Measured> direct;  // the same without the proxy, for Compare::kDirect

  bool good() const;  // every run came to its end
};

// Of the runs that came to the end of a phase; nearest ranks, so that each is a value that was
// measured.
struct Spread {
  int count = 0;
  Duration min{};
  Duration median{};
  Duration p95{};
};
Spread spread_of(const std::vector<Measured>& runs, Phase phase);
Spread spread_of_total(const std::vector<Measured>& runs);  // of the good runs

// The phases that any of these has, in the order of time.
std::vector<Phase> phases_of(const std::vector<const Timeline*>& timelines);

// The run with the median total; if none is good, the last one. Empty without runs.
const Measured* typical(const std::vector<Measured>& runs);

std::vector<const Timeline*> timelines_of(const std::vector<Measured>& runs);

// A timeline that was measured or predicted, with the name of its way.
struct Named {
  std::string name;  // "through the proxy", "direct", "model"; of a prediction: its way
  Timeline timeline;
};
// What there is to draw: the typical run, and what it is compared with.
std::vector<Named> to_draw(const Found& found);
// The same request three ways: direct, CONNECT, HTTPS proxy.
std::vector<Named> predict_all(const Options& options);
// The prediction beside a measurement, and where its round trips come from.
Fitted fitted_to(const Found& found);
Timeline predicted(const Found& found);

// What the chains of certificates that arrived on the two ways say about who is between. Empty:
// one of them is missing.
std::string compare_chains(const Measured& proxied, const Measured& direct);

}  // namespace penstock::probe
