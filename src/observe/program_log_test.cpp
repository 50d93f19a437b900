#include "observe/program_log.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <regex>
#include <string>

#include "sys/fd.h"

namespace penstock::observe {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::internal::CaptureStderr;
using ::testing::internal::GetCapturedStderr;

TEST(ProgramLog, WritesTimeLevelAndMessage) {
  CaptureStderr();
  say(Level::kInfo, "listening on 127.0.0.1:3128");
  say(Level::kError, "no");
  const std::string found = GetCapturedStderr();
  const std::string time = R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z )";
  EXPECT_TRUE(std::regex_match(
      found, std::regex(time + "info  listening on 127.0.0.1:3128\n" + time + "error no\n")))
      << found;
}

TEST(ProgramLog, KeepsStillBelowItsLevel) {
  CaptureStderr();
  say(Level::kDebug, "quiet");
  set_log_level(Level::kError);
  say(Level::kWarning, "quiet too");
  set_log_level(Level::kDebug);
  say(Level::kDebug, "loud");
  set_log_level(Level::kInfo);
  const std::string found = GetCapturedStderr();
  EXPECT_THAT(found, EndsWith("Z debug loud\n"));
  EXPECT_EQ(std::count(found.begin(), found.end(), '\n'), 1);
}

TEST(ProgramLog, LetsNobodyForgeALineOrDriveATerminal) {
  CaptureStderr();
  say(Level::kInfo, "name \"a\nb\x1b[2Jc\x7f\r\"");
  EXPECT_THAT(GetCapturedStderr(), EndsWith("info  name \"a b [2Jc  \"\n"));
}

TEST(ProgramLog, CutsALineThatAPipeWouldNotTakeInOnePiece) {
  CaptureStderr();
  say(Level::kInfo, std::string(10'000, 'x'));
  const std::string found = GetCapturedStderr();
  EXPECT_EQ(found.size(), 4096u);
  EXPECT_THAT(found, EndsWith("xxx...\n"));
}

TEST(ProgramLog, LosesLinesRatherThanWaitForAStuckReaderAndSaysHowMany) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const sys::Fd reader(ends[0]);
  sys::Fd writer(ends[1]);
  const int size = ::fcntl(writer.get(), F_GETPIPE_SZ);
  const std::string filling(static_cast<size_t>(size), '-');
  ASSERT_EQ(::write(writer.get(), filling.data(), filling.size()), size);
  const sys::Fd real(::dup(STDERR_FILENO));
  ::dup2(writer.get(), STDERR_FILENO);
  say(Level::kInfo, "lost");
  say(Level::kInfo, "lost as well");
  std::string rest(static_cast<size_t>(size), '\0');
  for (long got = 0; got < size;) got += ::read(reader.get(), rest.data(), rest.size());
  say(Level::kInfo, "heard");
  say(Level::kInfo, "again");
  ::dup2(real.get(), STDERR_FILENO);
  const long got = ::read(reader.get(), rest.data(), rest.size());
  const std::string found = rest.substr(0, static_cast<size_t>(got));
  EXPECT_THAT(found, HasSubstr("info  (2 lines before this one were lost) heard\n"));
  EXPECT_THAT(found, EndsWith("info  again\n"));
}

TEST(LimitedLog, HoldsBackAFloodAndSaysHowMuch) {
  LimitedLog log;
  const Instant start{std::chrono::seconds(1000)};
  CaptureStderr();
  for (int i = 0; i < 12; ++i) {
    log.say_at(start + std::chrono::milliseconds(i), Level::kWarning, "accept failed");
  }
  std::string found = GetCapturedStderr();
  EXPECT_EQ(std::count(found.begin(), found.end(), '\n'), LimitedLog::kBurst);
  CaptureStderr();
  log.say_at(start + std::chrono::seconds(1), Level::kWarning, "accept failed");
  log.say_at(start + std::chrono::seconds(1), Level::kWarning, "accept failed");
  found = GetCapturedStderr();
  EXPECT_THAT(found, HasSubstr("accept failed (7 more like this were held back)\n"));
  EXPECT_THAT(found, EndsWith("accept failed\n"));
}

TEST(LimitedLog, DoesNotCountWhatTheLevelSilences) {
  LimitedLog log;
  CaptureStderr();
  for (int i = 0; i < 100; ++i) log.say(Level::kDebug, "detail");
  log.say(Level::kInfo, "news");
  EXPECT_THAT(GetCapturedStderr(), EndsWith("info  news\n"));
}

}  // namespace
}  // namespace penstock::observe
