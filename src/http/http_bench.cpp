// What a CONNECT pays before policy sees it: its head, found and parsed, and its authority alone.
#include <benchmark/benchmark.h>

#include <string>

#include "base/check.h"
#include "http/head.h"
#include "http/reply.h"

namespace penstock::http {
namespace {

// As a CI job's client sends it: 258 bytes.
const std::string kHead =
    "CONNECT artifacts.eu-west-1.example.com:443 HTTP/1.1\r\n"
    "Host: artifacts.eu-west-1.example.com:443\r\n"
    "User-Agent: python-requests/2.32.3 (Linux x86_64)\r\n"
    "Proxy-Connection: Keep-Alive\r\n"
    "X-Request-Id: 3f6c2d0e-8d5b-4a55-9a0e-6f0a5d6f7c11\r\n"
    "Accept: */*\r\n"
    "Via: 1.1 sidecar\r\n"
    "\r\n";

void head_in_one_piece(benchmark::State& state) {
  for (auto _ : state) {
    HeadReader reader{HeadLimits{}};
    const auto complete = reader.advance(kHead);
    PENSTOCK_CHECK(complete && *complete);
    auto request = parse_connect(std::string_view(kHead).substr(0, reader.length()), HeadLimits{});
    PENSTOCK_CHECK(request.has_value());
    benchmark::DoNotOptimize(request);
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * kHead.size()));
}
BENCHMARK(head_in_one_piece);

void head_byte_by_byte(benchmark::State& state) {
  const std::string_view head = kHead;
  for (auto _ : state) {
    HeadReader reader{HeadLimits{}};
    for (size_t size = 1; size <= head.size(); ++size) {
      benchmark::DoNotOptimize(reader.advance(head.substr(0, size)));
    }
    PENSTOCK_CHECK(reader.length() == head.size());
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * kHead.size()));
}
BENCHMARK(head_byte_by_byte);

void authority_of(benchmark::State& state, std::string_view text) {
  for (auto _ : state) {
    auto authority = parse_authority(text);
    PENSTOCK_CHECK(authority.has_value());
    benchmark::DoNotOptimize(authority);
  }
}
BENCHMARK_CAPTURE(authority_of, name, "artifacts.eu-west-1.example.com:443");
BENCHMARK_CAPTURE(authority_of, ipv4, "192.0.2.200:443");
BENCHMARK_CAPTURE(authority_of, ipv6, "[2001:db8::17:5]:443");

void refusal(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(refusal_reply(Error{Code::kNameDenied}));
}
BENCHMARK(refusal);

}  // namespace
}  // namespace penstock::http
