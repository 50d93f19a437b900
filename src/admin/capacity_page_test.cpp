#include "admin/capacity_page.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace penstock::admin {
namespace {

using nlohmann::json;

Snapshot idle() {
  Snapshot out;
  out.workers.push_back({std::make_shared<session::Metrics>(), 0, 0, 0});
  return out;
}

Snapshot loaded() {
  Snapshot out;
  const auto metrics = std::make_shared<session::Metrics>();
  for (int i = 0; i < 3; ++i) metrics->tunnels.arrive(Instant{});
  out.workers = {{metrics, 0, 0, 0}, {metrics, 0, 0, 0}};
  out.measured = Measured{.seconds = 10,
                          .set_ups = {100, 0.5, 49},
                          .tunnels = {2, std::nullopt, 7},
                          .bytes_per_second = 1e6,
                          .utilisation = {0.25, 0.75},
                          .cpu_per_set_up = 0.0001,
                          .p_wait = 0.5,
                          .mean_wait = 0.002};
  out.seats = 900;
  out.door = {.pending_limit = 90, .destination_limit = 9, .queue_limit = 64};
  out.memory = {.resident = 1000, .limit = 2000, .group_used = 3000, .group_limit = 4000};
  out.memory_short = true;
  out.local_ports = 28'232;
  out.destinations.push_back({.authority = "a\"b:443",
                              .pending = 2,
                              .waiting = 1,
                              .limit = 64,
                              .setup_seconds = 0.02,
                              .breaker = admission::Breaker::State::kOpen,
                              .cause = Code::kRefused});
  return out;
}

TEST(CapacityPage, SaysNullOfWhatNobodyHasMeasured) {
  const json page = json::parse(capacity_page(idle()));
  for (const char* name :
       {"window_seconds", "lambda", "setup_seconds", "pending_mean", "lambda_w",
        "pending_difference", "tunnel_lambda", "tunnel_seconds", "tunnels_mean", "tunnel_lambda_w",
        "tunnels_difference", "bytes_per_second", "utilisation", "cpu_per_connect_seconds",
        "p_wait", "mean_wait_seconds"}) {
    ASSERT_TRUE(page.contains(name)) << name;
    EXPECT_TRUE(page[name].is_null()) << name;
  }
  EXPECT_EQ(page["workers"], 1);
  EXPECT_EQ(page["tunnels_open"], 0);
  EXPECT_EQ(page["utilisation_per_worker"], json::array());
  EXPECT_EQ(page["destinations"], json::array());
}

TEST(CapacityPage, HoldsLAgainstLambdaW) {
  const json page = json::parse(capacity_page(loaded()));
  EXPECT_EQ(page["window_seconds"], 10);
  EXPECT_EQ(page["lambda"], 100);
  EXPECT_EQ(page["setup_seconds"], 0.5);
  EXPECT_EQ(page["pending_mean"], 49);
  EXPECT_EQ(page["lambda_w"], 50);
  EXPECT_EQ(page["pending_difference"], -1);
  EXPECT_EQ(page["tunnels_mean"], 7);
  EXPECT_TRUE(page["tunnel_lambda_w"].is_null()) << "none of them has ended";
  EXPECT_TRUE(page["tunnels_difference"].is_null());
}

TEST(CapacityPage, SaysWhatThereIsAndWhoIsBusy) {
  const json page = json::parse(capacity_page(loaded()));
  EXPECT_EQ(page["tunnels_open"], 6);
  EXPECT_EQ(page["utilisation"], 0.5);
  EXPECT_EQ(page["utilisation_per_worker"], json::array({0.25, 0.75}));
  const json& limits = page["limits"];
  EXPECT_EQ(limits["seats"], 900);
  EXPECT_EQ(limits["pending"], 90);
  EXPECT_EQ(limits["pending_per_destination"], 9);
  EXPECT_EQ(limits["queue"], 64);
  EXPECT_EQ(limits["memory_bytes"], 2000);
  EXPECT_EQ(limits["resident_bytes"], 1000);
  EXPECT_EQ(limits["group_memory_bytes"], 4000);
  EXPECT_EQ(limits["memory_short"], true);
  EXPECT_EQ(limits["ephemeral_ports"], 28'232);
  const json expected = {{"authority", "a\"b:443"},
                         {"pending", 2},
                         {"waiting", 1},
                         {"limit", 64},
                         {"setup_seconds", 0.02},
                         {"no_load_seconds", nullptr},
                         {"breaker", "open"},
                         {"cause", "refused"}};
  EXPECT_EQ(page["destinations"], json::array({expected}));
}

}  // namespace
}  // namespace penstock::admin
