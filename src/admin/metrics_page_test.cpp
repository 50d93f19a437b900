#include "admin/metrics_page.h"

#include <gtest/gtest.h>

#include <cctype>
#include <map>
#include <set>
#include <sstream>

namespace penstock::admin {
namespace {

// The text format, read strictly: every fault is a line of `faults`.
class StrictReader {
 public:
  explicit StrictReader(const std::string& page) {
    if (page.empty() || page.back() != '\n') fault("", "the last line has no end");
    std::istringstream lines(page);
    for (std::string line; std::getline(lines, line);) read(line);
  }

  std::vector<std::string> faults;
  std::map<std::string, std::string> types;    // by metric
  std::map<std::string, std::string> samples;  // value by name{labels}

 private:
  void fault(const std::string& line, const std::string& what) {
    faults.push_back(what + ": " + line);
  }

  void read(const std::string& line) {
    if (line.starts_with("# HELP ")) {
      metric_ = line.substr(7, line.find(' ', 7) - 7);
      if (line.size() < 9 + metric_.size()) fault(line, "no help");
      if (!helped_.insert(metric_).second) fault(line, "helped twice");
    } else if (line.starts_with("# TYPE ")) {
      const size_t space = line.find(' ', 7);
      const std::string name = line.substr(7, space - 7), type = line.substr(space + 1);
      if (name != metric_) fault(line, "TYPE without its HELP in front");
      if (type != "counter" && type != "gauge" && type != "histogram") fault(line, "no type");
      if ((type == "counter") != name.ends_with("_total")) fault(line, "_total is for counters");
      if (!types.emplace(name, type).second) fault(line, "typed twice");
    } else {
      sample(line);
    }
  }
  void sample(const std::string& line) {
    const size_t space = line.rfind(' ');
    if (space == std::string::npos) return fault(line, "no value");
    const std::string key = line.substr(0, space), value = line.substr(space + 1);
    if (!samples.emplace(key, value).second) fault(line, "twice");
    size_t end = 0;
    std::stod(value, &end);
    if (end != value.size()) fault(line, "no number");
    labels(line, key);
    std::string name = key.substr(0, key.find('{'));
    for (const char byte : name) {
      if (!std::isalnum(static_cast<unsigned char>(byte)) && byte != '_') fault(line, "bad name");
    }
    if (types[metric_] == "histogram") {
      for (const char* part : {"_bucket", "_sum", "_count"}) {
        if (name == metric_ + part) name = metric_;
      }
    }
    if (name != metric_) fault(line, "belongs to no metric");
    if (!name.starts_with("penstock_")) fault(line, "not ours");
  }
  void labels(const std::string& line, const std::string& key) {
    const size_t open = key.find('{');
    if (open == std::string::npos) return;
    if (key.back() != '}') return fault(line, "labels without an end");
    std::set<std::string> names;
    for (size_t at = open + 1; at < key.size() - 1;) {
      const size_t equals = key.find("=\"", at);
      const size_t quote = key.find('"', equals + 2);
      if (equals == std::string::npos || quote == std::string::npos)
        return fault(line, "bad label");
      if (!names.insert(key.substr(at, equals - at)).second) fault(line, "label twice");
      at = quote + 1;
      if (key[at] == ',') ++at;
    }
  }

  std::string metric_;
  std::set<std::string> helped_;
};

Snapshot two_workers() {
  Snapshot out;
  for (int i = 0; i < 2; ++i) {
    const auto metrics = std::make_shared<session::Metrics>();
    metrics->accepted.add(5);
    metrics
        ->connections[static_cast<size_t>(session::Outcome::kRefused)]
                     [static_cast<size_t>(Code::kNameDenied)]
        .add(2);
    metrics->connections[static_cast<size_t>(session::Outcome::kClosed)][kCodeCount].add(1);
    for (int n = 0; n < 3; ++n) metrics->tunnels.arrive(Instant{});
    metrics->bytes_down_spliced.add(1'000'000'000'000);
    metrics->head.record(std::chrono::milliseconds(2));
    out.workers.push_back({metrics, 10, 1'500'000'000, 1});
  }
  out.seats = 100;
  out.quota_refusals = {{"ci", {.tunnels = 1, .setups = 2, .bytes = 3}}};
  out.rules = 7;
  out.uptime_seconds = 1.5;
  out.measured = Measured{.seconds = 10, .set_ups = {4, 0.5, 2}, .utilisation = {0.25, 0.5}};
  out.memory = {.resident = 12, .limit = 34};
  out.ports = {{"any", 4, 6}, {"10.0.0.1", 5, 7}};
  return out;
}

TEST(MetricsPage, IsValidPrometheusText) {
  const StrictReader page(metrics_page(two_workers()));
  for (const std::string& fault : page.faults) ADD_FAILURE() << fault;
  EXPECT_GT(page.types.size(), 20u);
}

TEST(MetricsPage, OfAProcessThatHasDoneNothingIsValidToo) {
  Snapshot empty;
  empty.workers.push_back({std::make_shared<session::Metrics>(), 0, 0, 0});
  const StrictReader page(metrics_page(empty));
  for (const std::string& fault : page.faults) ADD_FAILURE() << fault;
}

TEST(MetricsPage, AddsUpTheWorkers) {
  const StrictReader page(metrics_page(two_workers()));
  const auto value = [&](const std::string& sample) {
    const auto found = page.samples.find(sample);
    return found == page.samples.end() ? "missing" : found->second;
  };
  EXPECT_EQ(value("penstock_accepted_total"), "10");
  EXPECT_EQ(value("penstock_connections_total{outcome=\"refused\",error=\"name_denied\"}"), "4");
  EXPECT_EQ(value("penstock_connections_total{outcome=\"closed\",error=\"\"}"), "2");
  EXPECT_EQ(value("penstock_tunnels_open"), "6");
  EXPECT_EQ(value("penstock_bytes_total{direction=\"down\",path=\"splice\"}"), "2000000000000");
  EXPECT_EQ(value("penstock_step_seconds_count{step=\"head\"}"), "2");
  EXPECT_EQ(value("penstock_step_seconds_bucket{step=\"head\",le=\"+Inf\"}"), "2");
  EXPECT_EQ(value("penstock_seats"), "100");
  EXPECT_EQ(value("penstock_quota_refused_total{quota=\"ci\",reason=\"setups\"}"), "2");
  EXPECT_EQ(value("penstock_policy_rules"), "7");
  EXPECT_EQ(value("penstock_ephemeral_ports{source=\"10.0.0.1\",state=\"in_use\"}"), "5");
  EXPECT_EQ(value("penstock_ephemeral_ports{source=\"any\",state=\"time_wait\"}"), "6");
  EXPECT_EQ(value("penstock_loop_stalls_total{worker=\"1\"}"), "1");
  EXPECT_EQ(value("penstock_tunnels_total"), "6");
  EXPECT_EQ(value("penstock_tunnels_ended_total"), "0");
  EXPECT_EQ(value("penstock_memory_bytes{state=\"limit\"}"), "34");
}

TEST(MetricsPage, ShowsLittlesLawAndLeavesOutWhatNobodyHasMeasured) {
  const StrictReader page(metrics_page(two_workers()));
  const auto law = [](const std::string& quantity, const std::string& of) {
    return "penstock_littles_law{quantity=\"" + quantity + "\",of=\"" + of + "\"}";
  };
  EXPECT_EQ(page.samples.at(law("lambda", "setups")), "4");
  EXPECT_EQ(page.samples.at(law("w", "setups")), "0.5");
  EXPECT_EQ(page.samples.at(law("l", "setups")), "2");
  EXPECT_EQ(page.samples.at(law("lambda_w", "setups")), "2");
  EXPECT_FALSE(page.samples.contains(law("w", "tunnels")));
  EXPECT_EQ(page.samples.at("penstock_utilisation{worker=\"1\"}"), "0.5");
}

}  // namespace
}  // namespace penstock::admin
