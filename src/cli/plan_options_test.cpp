#include "cli/plan_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

namespace penstock::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

PlanOptions small() {
  PlanOptions written;
  written.rate = "500/s";
  written.setup_time = "30ms";
  written.lifetime = "1m";
  return written;
}

Capacity capacity() {
  return *read_capacity(
      R"({"window_seconds": 10, "workers": 2, "lambda": 400, "setup_seconds": 0.02,
    "tunnel_seconds": 9, "bytes_per_second": 1e8, "cpu_per_connect_seconds": 1e-4, "p_wait": null,
    "limits": {"seats": 9263, "pending": 2315, "descriptors": 20000, "memory_bytes": 0,
               "ephemeral_ports": 28232},
    "destinations": [{"authority": "a:443"}, {"authority": "b:443"}]})");
}

std::string refusal(const PlanOptions& written, const std::optional<Capacity>& measured = {}) {
  const auto request = read(written, measured);
  return request ? "accepted" : request.error();
}

TEST(PlanOptions, ThatAreNotGivenAreAssumedAndSaidToBe) {
  const auto request = read(small());
  ASSERT_TRUE(request) << request.error();
  EXPECT_EQ(request->demand.rate, 500);
  EXPECT_DOUBLE_EQ(request->demand.setup_seconds, 0.03);
  EXPECT_DOUBLE_EQ(request->demand.lifetime_seconds, 60);
  EXPECT_DOUBLE_EQ(request->demand.cpu_per_connect, 80e-6);
  EXPECT_EQ(request->demand.cpu_per_gib, 0) << "nothing is carried";
  EXPECT_DOUBLE_EQ(request->goal.percentile, 0.99);
  EXPECT_DOUBLE_EQ(request->goal.max_wait, 1e-3);
  EXPECT_EQ(request->limits.workers, 0u);
  EXPECT_THAT(request->assumed,
              ElementsAre("--bandwidth 0", "--cpu-per-connect 80us", "--destinations 1"));
}

TEST(PlanOptions, TakeUnitsAsPeopleWriteThem) {
  PlanOptions written = small();
  written.cpu_per_connect = "80us";
  written.bandwidth = "4Gbit/s";
  written.cpu_per_gib = "250ms";
  written.percentile = "99.9";
  written.max_wait = "500us";
  written.blocking = "0.1%";
  written.memory = "4GiB";
  const auto request = read(written);
  ASSERT_TRUE(request) << request.error();
  EXPECT_DOUBLE_EQ(request->demand.cpu_per_connect, 80e-6);
  EXPECT_DOUBLE_EQ(request->demand.bytes_per_second, 5e8);
  EXPECT_DOUBLE_EQ(request->demand.cpu_per_gib, 0.25);
  EXPECT_DOUBLE_EQ(request->goal.percentile, 0.999);
  EXPECT_DOUBLE_EQ(request->goal.max_wait, 500e-6);
  EXPECT_DOUBLE_EQ(request->goal.blocking, 1e-3);
  EXPECT_EQ(request->limits.memory_bytes, uint64_t{4} << 30);
  written.bandwidth = "512MiB/s";
  EXPECT_DOUBLE_EQ(read(written)->demand.bytes_per_second, 512.0 * 1024 * 1024);
}

TEST(PlanOptions, ThatAreWrongAreRefusedWithWhatWouldBeRight) {
  struct Case {
    std::function<void(PlanOptions&)> change;
    const char* words;
  };
  const std::vector<Case> cases = {
      {[](auto& o) { o.rate.reset(); }, "--rate is missing; write --rate 1000/s, or --from"},
      {[](auto& o) { o.lifetime.reset(); }, "--lifetime is missing"},
      {[](auto& o) { o.rate = "0"; }, "--rate: \"0\" is no rate from 0.001"},
      {[](auto& o) { o.setup_time = "0ms"; }, "no duration longer than nothing"},
      {[](auto& o) { o.cpu_per_connect = "80"; }, "write a whole number with a unit"},
      {[](auto& o) { o.bandwidth = "4G"; }, "\"4G\" is no bandwidth; write 4Gbit/s or 500MiB/s"},
      {[](auto& o) { o.destinations = "0"; }, "no whole number from 1"},
      {[](auto& o) { o.cv = "-1"; }, "--cv: \"-1\" is no number from 0 to 100"},
      {[](auto& o) { o.percentile = "100"; }, "--percentile: \"100\" is no number"},
      {[](auto& o) { o.blocking = "0"; }, "write 0.0001 or 0.01%"},
      {[](auto& o) { o.memory = "4G"; }, "write 512MiB or 4GiB"},
      {[](auto& o) { o.nofile = "many"; }, "--nofile: \"many\" is no whole number from 64"},
      {[](auto& o) { o.gaps = "gaps.txt"; }, "--gaps is for a simulation"},
      {[](auto& o) { o.ill = "2"; }, "--ill is for an incident; give --incident as well"},
      {[](auto& o) { o.plot = ""; }, "--plot: \"\" is no file name"},
      {[](auto& o) {
         o.simulate = true;
         o.gaps = "/nonexistent/gaps";
       },
       "cannot be read; name a file that is there"},
  };
  for (const Case& wrong : cases) {
    PlanOptions written = small();
    wrong.change(written);
    EXPECT_THAT(refusal(written), HasSubstr(wrong.words));
  }
}

TEST(PlanOptions, TakeFromTheProxyWhatIsNotWritten) {
  PlanOptions written;
  written.from = "http://127.0.0.1:3129";
  written.lifetime = "30s";
  const auto request = read(written, capacity());
  ASSERT_TRUE(request) << request.error();
  EXPECT_EQ(request->from->text(), "127.0.0.1:3129");
  EXPECT_EQ(request->demand.rate, 400);
  EXPECT_EQ(request->demand.lifetime_seconds, 30) << "what is written goes first";
  EXPECT_EQ(request->demand.cpu_per_connect, 1e-4);
  EXPECT_EQ(request->demand.cpu_per_gib, 0) << "a proxy's time per set-up has it in it";
  EXPECT_EQ(request->demand.destinations, 2);
  EXPECT_EQ(request->limits.workers, 2u);
  EXPECT_EQ(request->limits.seats, 9263u);
  EXPECT_EQ(request->limits.permits, 2315u);
  EXPECT_EQ(request->limits.nofile, 20'000u);
  EXPECT_THAT(request->assumed, ElementsAre());
}

TEST(PlanOptions, SayWhatTheProxyDoesNot) {
  PlanOptions written;
  written.from = "127.0.0.1:3129";
  EXPECT_THAT(refusal(written, Capacity()),
              HasSubstr("has not measured what --rate says; write --rate 1000/s"));
  Capacity idle = capacity();
  idle.lambda = 0;
  EXPECT_THAT(refusal(written, idle), HasSubstr("has had no set-up for 10 s"));
  Capacity sparse = capacity();
  sparse.workers.reset();
  sparse.cpu_per_connect_seconds.reset();
  EXPECT_THAT(read(written, sparse)->assumed,
              ElementsAre("--cpu-per-connect 80us", "--cpu-per-gib 215ms", "--workers 1"));
  written.from = "localhost:3129";
  EXPECT_THAT(read_from(written).error(), HasSubstr("write http://127.0.0.1:3129"));
}

TEST(Capacity, TakesWhatIsThereAndNoNonsense) {
  const auto page =
      read_capacity(R"({"lambda": -1, "workers": "two", "limits": [], "p_wait": 0.5})");
  ASSERT_TRUE(page);
  EXPECT_FALSE(page->lambda);
  EXPECT_FALSE(page->workers);
  EXPECT_FALSE(page->seats);
  EXPECT_EQ(page->p_wait, 0.5);
  for (const char* text : {"", "[]", "{", "7", "\xff"}) EXPECT_FALSE(read_capacity(text)) << text;
}

TEST(IncidentOptions, HaveAnExampleAsTheirDefaults) {
  PlanOptions written;
  written.incident = true;
  const auto request = read_incident(written);
  ASSERT_TRUE(request) << request.error();
  EXPECT_EQ(request->incident.destinations, 10u);
  EXPECT_EQ(request->incident.ill_seconds, 5);
  written.ill = "10";
  EXPECT_THAT(read_incident(written).error(),
              HasSubstr("--ill: \"10\" is no whole number from 1 to 9"));
  written = {};
  written.lifetime = "1m";
  EXPECT_THAT(read_incident(written).error(), HasSubstr("--lifetime does not go with --incident"));
}

}  // namespace
}  // namespace penstock::cli
