#include "plan/incident.h"

#include <gtest/gtest.h>

namespace penstock::plan {
namespace {

Incident incident(uint64_t ill = 1) {
  Incident out;
  out.ill = ill;
  out.seed = 20'261'125;
  return out;
}

TEST(Incident, WithoutABulkheadOneSlowOriginTakesThePermitsOfAll) {
  const Course course = play(incident(), Bulkhead::kNone);
  EXPECT_GT(course.ill_pending_most, 380u) << "of 400";
  EXPECT_LT(course.well_success, 0.9);
  EXPECT_GT(course.incident_p99, 2 * course.quiet_p99);
}

TEST(Incident, WithABulkheadTheOthersNoticeNothing) {
  for (const Bulkhead bulkhead : {Bulkhead::kFixed, Bulkhead::kAimd, Bulkhead::kGradient}) {
    SCOPED_TRACE(word(bulkhead));
    const Course course = play(incident(), bulkhead);
    EXPECT_EQ(course.well_success, 1);
    EXPECT_LT(course.incident_p99, 1.2 * course.quiet_p99);
    EXPECT_LE(course.ill_pending_most, 100u) << "a quarter of 400";
    EXPECT_LT(course.recovery_seconds, 5);
  }
}

// Four fixed bulkheads of a quarter each hold all permits between them.
TEST(Incident, OfSeveralSlowOriginsOnlyBulkheadsThatAdaptProtect) {
  EXPECT_LT(play(incident(4), Bulkhead::kFixed).well_success, 0.9);
  for (const Bulkhead bulkhead : {Bulkhead::kAimd, Bulkhead::kGradient}) {
    SCOPED_TRACE(word(bulkhead));
    const Course course = play(incident(4), bulkhead);
    EXPECT_EQ(course.well_success, 1);
    EXPECT_LT(course.incident_p99, 1.2 * course.quiet_p99);
    EXPECT_LT(course.recovery_seconds, 5);
  }
}

TEST(Incident, BeforeItNobodyIsRefusedAndAfterItEverythingIsAsBefore) {
  for (const Bulkhead bulkhead : kBulkheads) {
    SCOPED_TRACE(word(bulkhead));
    const Incident one = incident();
    const Course course = play(one, bulkhead);
    ASSERT_EQ(course.seconds.size(), 100u);
    for (size_t i = 0; i < course.seconds.size(); ++i) {
      const Second& second = course.seconds[i];
      const auto at = static_cast<double>(i);
      ASSERT_LE(second.pending, one.permits);
      if (at >= one.begins && at < one.heals + 5) continue;
      ASSERT_EQ(second.well_refused + second.ill_refused, 0u) << "in second " << i;
    }
  }
}

TEST(Incident, PlaysTheSameTwice) {
  const Course first = play(incident(), Bulkhead::kGradient);
  const Course again = play(incident(), Bulkhead::kGradient);
  EXPECT_EQ(first.incident_p99, again.incident_p99);
  EXPECT_EQ(first.ill_pending_most, again.ill_pending_most);
}

}  // namespace
}  // namespace penstock::plan
