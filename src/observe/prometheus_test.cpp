#include "observe/prometheus.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <regex>
#include <sstream>

namespace penstock::observe {
namespace {

// A strict reader of the format: every line must be one that the specification knows, samples
// must follow the TYPE of their metric, and a label may not appear twice.
struct Page {
  std::map<std::string, std::string> types;
  std::map<std::string, double> samples;  // "name{labels}" as written
  std::string fault;
};

bool belongs(const std::string& sample, const std::string& metric, const std::string& type) {
  if (sample == metric) return type != "histogram";
  if (type != "histogram" || !sample.starts_with(metric)) return false;
  const std::string suffix = sample.substr(metric.size());
  return suffix == "_bucket" || suffix == "_sum" || suffix == "_count";
}

Page read(const std::string& text) {
  static const std::string name = "([a-zA-Z_:][a-zA-Z0-9_:]*)";
  static const std::string label = R"re([a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\]|\\\\|\\"|\\n)*")re";
  static const std::regex help("# HELP " + name + R"( (?:[^\\]|\\\\|\\n)*)");
  static const std::regex type("# TYPE " + name + " (counter|gauge|histogram)");
  static const std::regex sample(name + R"((\{)" + label + "(?:," + label + R"()*\})? (\S+))");
  Page page;
  if (!text.ends_with('\n')) page.fault = "the last line has no end";
  std::istringstream lines(text);
  std::string current;
  for (std::string line; std::getline(lines, line);) {
    std::smatch match;
    if (std::regex_match(line, match, type)) {
      current = match[1];
      if (!page.types.emplace(current, match[2]).second) page.fault = "typed twice: " + line;
    } else if (std::regex_match(line, match, sample)) {
      char* end = nullptr;
      const std::string number = match[3];
      const double value = std::strtod(number.c_str(), &end);
      if (*end != '\0') page.fault = "not a number: " + line;
      if (!belongs(match[1], current, page.types[current])) page.fault = "out of place: " + line;
      const std::string key = match[1].str() + match[2].str();
      if (!page.samples.emplace(key, value).second) page.fault = "given twice: " + line;
    } else if (!std::regex_match(line, help)) {
      page.fault = "not in the format: " + line;
    }
  }
  return page;
}

TEST(Prometheus, WritesCountersAndGauges) {
  PrometheusText text;
  text.metric("penstock_connections_total", "counter", "Connections by how they ended.");
  text.sample({{"outcome", "closed"}, {"error", ""}}, uint64_t{18446744073709551615u});
  text.sample({{"outcome", "refused"}, {"error", "name_denied"}}, uint64_t{7});
  text.metric("penstock_load", "gauge", "A fraction.");
  text.sample({}, 0.1);
  EXPECT_EQ(text.take(),
            "# HELP penstock_connections_total Connections by how they ended.\n"
            "# TYPE penstock_connections_total counter\n"
            "penstock_connections_total{outcome=\"closed\",error=\"\"} 18446744073709551615\n"
            "penstock_connections_total{outcome=\"refused\",error=\"name_denied\"} 7\n"
            "# HELP penstock_load A fraction.\n"
            "# TYPE penstock_load gauge\n"
            "penstock_load 0.1\n");
}

TEST(Prometheus, EscapesWhatAStrangerMayChoose) {
  PrometheusText text;
  text.metric("m", "gauge", "back\\slash\nand a line");
  text.sample({{"rule", "a\"b\\c\nd"}}, uint64_t{1});
  const std::string page = text.take();
  EXPECT_EQ(page,
            "# HELP m back\\\\slash\\nand a line\n"
            "# TYPE m gauge\n"
            "m{rule=\"a\\\"b\\\\c\\nd\"} 1\n");
  EXPECT_EQ(read(page).fault, "");
}

TEST(Prometheus, KeepsUtf8AndReplacesWhatIsNot) {
  PrometheusText text;
  text.metric("m", "gauge", "h");
  text.sample({{"a", "é€😀"}, {"b", "\xff\xc0\xaf\xed\xa0\x80\xe2\x82"}}, uint64_t{1});
  const std::string replaced = "\xef\xbf\xbd";
  std::string eight;
  for (int i = 0; i < 8; ++i) eight += replaced;
  EXPECT_NE(text.take().find("m{a=\"é€😀\",b=\"" + eight + "\"} 1\n"), std::string::npos);
}

TEST(Prometheus, WritesNumbersThatReadBackTheSame) {
  for (const double number : {0.1, 1e-300, 1.7976931348623157e308, -0.25, 3.0}) {
    PrometheusText text;
    text.metric("m", "gauge", "h");
    text.sample({}, number);
    EXPECT_EQ(read(text.take()).samples["m"], number);
  }
  PrometheusText text;
  text.metric("m", "gauge", "h");
  text.sample({}, std::numeric_limits<double>::infinity());
  text.sample({}, std::nan(""));
  EXPECT_TRUE(text.take().ends_with("m +Inf\nm NaN\n"));
}

TEST(Prometheus, WritesHistogramsWithCumulativeBuckets) {
  Histogram histogram;
  for (const int ms : {1, 1, 3, 700, 1'000'000}) histogram.record(std::chrono::milliseconds(ms));
  PrometheusText text;
  text.metric("penstock_step_seconds", "histogram", "Time per step.");
  text.histogram({{"step", "dial"}}, histogram.counts());
  text.histogram({{"step", "head"}}, HistogramCounts{});
  Page page = read(text.take());
  EXPECT_EQ(page.fault, "");
  const auto bucket = [&](const std::string& bound) -> std::optional<double> {
    const auto found =
        page.samples.find("penstock_step_seconds_bucket{step=\"dial\",le=\"" + bound + "\"}");
    return found == page.samples.end() ? std::nullopt : std::optional(found->second);
  };
  EXPECT_EQ(bucket("5e-05"), 0);
  EXPECT_EQ(bucket("0.001"), 2);
  EXPECT_EQ(bucket("0.005"), 3);
  EXPECT_EQ(bucket("1"), 4);
  EXPECT_EQ(bucket("100"), 4);
  EXPECT_EQ(bucket("+Inf"), 5);
  EXPECT_EQ(page.samples["penstock_step_seconds_count{step=\"dial\"}"], 5);
  EXPECT_DOUBLE_EQ(page.samples["penstock_step_seconds_sum{step=\"dial\"}"], 1000.705);
  EXPECT_EQ(page.samples["penstock_step_seconds_count{step=\"head\"}"], 0);
  EXPECT_EQ(page.samples.size(), 2 * (HistogramCounts::kUpperBounds.size() + 1 + 2));
}

TEST(PrometheusDeathTest, RefusesANameThatReadersWouldRefuse) {
  PrometheusText text;
  EXPECT_DEATH(text.metric("1penstock", "gauge", "h"), "is_metric_name");
  EXPECT_DEATH(text.metric("penstock", "number", "h"), "type ==");
}

}  // namespace
}  // namespace penstock::observe
