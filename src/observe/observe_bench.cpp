#include <benchmark/benchmark.h>

#include <string>
#include <thread>

#include "observe/histogram.h"
#include "observe/line_sink.h"
#include "observe/prometheus.h"

namespace penstock::observe {
namespace {

void BM_HistogramRecord(benchmark::State& state) {
  Histogram histogram;
  int64_t ns = 1;
  for (auto _ : state) histogram.record(Duration(ns = (ns * 7) % 1'000'000'007));
  benchmark::DoNotOptimize(histogram.counts());
}
BENCHMARK(BM_HistogramRecord);

// What a worker pays for one access-log line of usual length.
void BM_LineWrite(benchmark::State& state) {
  std::string why_not;
  auto sink = LineSink::open("/dev/null", &why_not);
  auto producer = sink->make_producer();
  const std::string line(450, 'x');
  uint64_t lines = 0;
  for (auto _ : state) {
    producer->write(line);
    if (++lines % 1000 != 0) continue;
    state.PauseTiming();  // or it would soon be measured how fast lines are dropped
    while (sink->written() < lines) std::this_thread::yield();
    state.ResumeTiming();
  }
  if (sink->dropped() > 0) state.SkipWithError("lines were dropped");
}
BENCHMARK(BM_LineWrite);

void BM_PrometheusHistogram(benchmark::State& state) {
  const HistogramCounts counts;
  for (auto _ : state) {
    PrometheusText text;
    text.metric("penstock_step_seconds", "histogram", "Time per step.");
    text.histogram({{"step", "dial"}}, counts);
    benchmark::DoNotOptimize(text.take());
  }
}
BENCHMARK(BM_PrometheusHistogram);

}  // namespace
}  // namespace penstock::observe
