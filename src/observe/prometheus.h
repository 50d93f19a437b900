// Prometheus text exposition, version 0.0.4.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "observe/histogram.h"

namespace penstock::observe {

using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

class PrometheusText {
 public:
  // Starts a metric; its samples follow. `type`: counter, gauge or histogram.
  void metric(std::string_view name, std::string_view type, std::string_view help);
  void sample(Labels labels, uint64_t value);
  void sample(Labels labels, double value);
  void histogram(Labels labels, const HistogramCounts& counts);  // cumulative buckets, sum, count

  std::string take() { return std::move(text_); }

 private:
  std::string text_;
  std::string name_;
};

}  // namespace penstock::observe
