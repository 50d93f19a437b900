#include "observe/line_sink.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>
#include <vector>

#include "sys/fd.h"

namespace penstock::observe {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class LineSinkTest : public ::testing::Test {
 protected:
  LineSinkTest() {
    std::string pattern = ::testing::TempDir() + "penstock-lines-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
  }
  ~LineSinkTest() override { std::filesystem::remove_all(folder_); }

  std::string path(const std::string& name) const { return folder_ + "/" + name; }

  std::unique_ptr<LineSink> open(const std::string& where) {
    std::string why_not;
    auto sink = LineSink::open(where, &why_not);
    EXPECT_EQ(why_not, "");
    return sink;
  }

 private:
  std::string folder_;
};

std::string content_of(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

void wait_until_written(const LineSink& sink, uint64_t lines) {
  while (sink.written() < lines) std::this_thread::yield();
}

struct Pipe {
  Pipe() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    reader = sys::Fd(ends[0]);
    writer = sys::Fd(ends[1]);
  }
  // A second, own open file of the write end.
  std::string path() const { return "/proc/self/fd/" + std::to_string(writer.get()); }
  bool full() const {
    pollfd room{writer.get(), POLLOUT, 0};
    return ::poll(&room, 1, 0) == 0;
  }
  std::string read_to_end() {
    std::string text;
    std::array<char, 65536> buffer{};
    for (long got = 0; (got = ::read(reader.get(), buffer.data(), buffer.size())) > 0;) {
      text.append(buffer.data(), static_cast<size_t>(got));
    }
    return text;
  }
  sys::Fd reader;
  sys::Fd writer;
};

TEST_F(LineSinkTest, WritesLinesInOrderAndFlushesAtTheEnd) {
  auto sink = open(path("log"));
  auto producer = sink->make_producer();
  EXPECT_TRUE(producer->write("one"));
  EXPECT_TRUE(producer->write("two\nthree"));
  sink.reset();
  EXPECT_EQ(content_of(path("log")), "one\ntwo three\n");
}

TEST_F(LineSinkTest, AppendsToWhatIsThereAndMakesFilesThatStrangersCannotRead) {
  const mode_t before = ::umask(0);
  for (const char* line : {"first run", "second run"}) {
    auto sink = open(path("log"));
    sink->make_producer()->write(line);
  }
  ::umask(before);
  EXPECT_EQ(content_of(path("log")), "first run\nsecond run\n");
  struct stat status{};
  ASSERT_EQ(::stat(path("log").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0640u);
}

TEST_F(LineSinkTest, KeepsLinesOfFourThreadsWholeAndInOrder) {
  constexpr int kThreads = 4;
  constexpr int kLines = 20'000;
  ::testing::internal::CaptureStderr();  // it says that lines are dropped
  auto sink = open(path("log"));
  std::array<uint64_t, kThreads> refused{};
  {
    std::vector<std::jthread> threads;
    for (int id = 0; id < kThreads; ++id) {
      auto producer = sink->make_producer();
      threads.emplace_back([id, producer = std::move(producer), &refused] {
        for (int i = 0; i < kLines; ++i) {
          const std::string line = std::to_string(id) + " " + std::to_string(i) + " " +
                                   std::string(static_cast<size_t>(i % 300), 'x') + "!";
          while (!producer->write(line)) {
            ++refused[static_cast<size_t>(id)];
            std::this_thread::yield();
          }
        }
      });
    }
  }
  wait_until_written(*sink, kThreads * kLines);
  uint64_t all_refused = 0;
  for (const uint64_t count : refused) all_refused += count;
  EXPECT_EQ(sink->dropped(), all_refused);
  sink.reset();
  ::testing::internal::GetCapturedStderr();
  std::array<int, kThreads> next{};
  for (const std::string& line : lines_of(content_of(path("log")))) {
    size_t id = 0;
    int number = -1;
    ASSERT_EQ(std::sscanf(line.c_str(), "%zu %d", &id, &number), 2) << line;
    ASSERT_EQ(number, next[id]++) << line;
    const auto expected = static_cast<size_t>(number % 300);
    ASSERT_EQ(std::count(line.begin(), line.end(), 'x'), expected) << line;
    ASSERT_EQ(line.back(), '!') << line;
  }
  EXPECT_THAT(next, ElementsAre(kLines, kLines, kLines, kLines));
}

TEST_F(LineSinkTest, DropsAndCountsWhenThePipeIsFullAndLosesNothingThatItTook) {
  Pipe pipe;
  auto sink = open(pipe.path());
  auto producer = sink->make_producer();
  std::string expected;
  uint64_t taken = 0;
  uint64_t refused = 0;
  ::testing::internal::CaptureStderr();
  for (int in_a_row = 0; in_a_row < 1000 || !pipe.full();) {
    const std::string line = std::to_string(taken) + std::string(200, '.');
    if (producer->write(line)) {
      expected += line + "\n";
      ++taken;
      in_a_row = 0;
    } else {
      ++refused;
      ++in_a_row;
    }
  }
  EXPECT_EQ(sink->dropped(), refused);
  EXPECT_LT(sink->written(), taken);
  pipe.writer.reset();
  std::string found;
  std::jthread reader([&] { found = pipe.read_to_end(); });
  wait_until_written(*sink, taken);
  sink.reset();
  reader.join();
  EXPECT_TRUE(found == expected);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr(" lines were dropped"));
}

TEST_F(LineSinkTest, EndsThoughThePipeIsStuckAndLeavesWholeLinesInIt) {
  Pipe pipe;
  ::testing::internal::CaptureStderr();
  auto sink = open(pipe.path());
  auto producer = sink->make_producer();
  const std::string line(999, 'x');
  while (!pipe.full() || producer->write(line)) producer->write(line);
  sink.reset();
  for (int i = 0; i < 2000; ++i) producer->write(line);  // harmless after the sink
  EXPECT_FALSE(producer->write(line));
  ::testing::internal::GetCapturedStderr();
  pipe.writer.reset();
  const std::string found = pipe.read_to_end();
  EXPECT_EQ(found.size() % 1000, 0u);
  for (const std::string& one : lines_of(found)) ASSERT_EQ(one, line);
}

TEST_F(LineSinkTest, CarriesALineLongerThanAPipeTakesAtOnce) {
  Pipe pipe;
  auto sink = open(pipe.path());
  pipe.writer.reset();
  std::string found;
  std::jthread reader([&] { found = pipe.read_to_end(); });
  auto one = sink->make_producer();
  auto two = sink->make_producer();
  const std::string longest(300'000, 'x');
  EXPECT_TRUE(one->write(longest));
  EXPECT_TRUE(two->write("short"));
  EXPECT_TRUE(one->write("end"));
  wait_until_written(*sink, 3);
  sink.reset();
  reader.join();
  EXPECT_THAT(lines_of(found), ::testing::UnorderedElementsAre(longest, "short", "end"));
}

TEST_F(LineSinkTest, LeavesStdoutBlockingForWhoeverSharesIt) {
  Pipe pipe;
  const sys::Fd real(::dup(STDOUT_FILENO));
  std::fflush(stdout);
  ASSERT_GE(::dup2(pipe.writer.get(), STDOUT_FILENO), 0);
  auto sink = open("stdout");
  EXPECT_TRUE(sink->reopen());
  auto producer = sink->make_producer();
  EXPECT_TRUE(producer->write("hello"));
  const int flags = ::fcntl(STDOUT_FILENO, F_GETFL);
  sink.reset();
  ::dup2(real.get(), STDOUT_FILENO);
  pipe.writer.reset();
  EXPECT_EQ(pipe.read_to_end(), "hello\n");
  EXPECT_EQ(flags & O_NONBLOCK, 0);
}

TEST_F(LineSinkTest, WritesToTheNewFileAfterARotation) {
  auto sink = open(path("log"));
  auto producer = sink->make_producer();
  for (int i = 0; i < 20; ++i) {
    const std::string old = path("log." + std::to_string(i));
    producer->write("before " + std::to_string(i));
    wait_until_written(*sink, static_cast<uint64_t>(2 * i + 1));
    std::filesystem::rename(path("log"), old);
    EXPECT_TRUE(sink->reopen());
    producer->write("after " + std::to_string(i));
    wait_until_written(*sink, static_cast<uint64_t>(2 * i + 2));
    EXPECT_THAT(content_of(old), Not(HasSubstr("after " + std::to_string(i) + "\n")));
    EXPECT_EQ(lines_of(content_of(path("log"))).front(), "after " + std::to_string(i));
  }
}

TEST_F(LineSinkTest, LosesNoLineWhileAnotherThreadRotates) {
  constexpr int kRotations = 30;
  auto sink = open(path("log"));
  auto producer = sink->make_producer();
  std::jthread rotation([&] {
    for (int i = 0; i < kRotations; ++i) {
      std::filesystem::rename(path("log"), path("log." + std::to_string(i)));
      EXPECT_TRUE(sink->reopen());
    }
  });
  constexpr int kLines = 5000;
  std::string expected;
  for (int i = 0; i < kLines; ++i) {
    const std::string line = std::to_string(i);
    EXPECT_TRUE(producer->write(line));
    expected += line + "\n";
  }
  rotation.join();
  sink.reset();
  std::string found;
  for (int i = 0; i < kRotations; ++i) found += content_of(path("log." + std::to_string(i)));
  EXPECT_TRUE(found + content_of(path("log")) == expected);
}

TEST_F(LineSinkTest, KeepsTheOldFileWhenTheNewOneCannotBeOpened) {
  std::filesystem::create_directory(path("folder"));
  auto sink = open(path("folder/log"));
  auto producer = sink->make_producer();
  std::filesystem::rename(path("folder"), path("moved"));
  ::testing::internal::CaptureStderr();
  EXPECT_FALSE(sink->reopen());
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("the old file stays in use"));
  producer->write("still here");
  sink.reset();
  EXPECT_EQ(content_of(path("moved/log")), "still here\n");
}

TEST_F(LineSinkTest, KeepsLinesThroughAFullDiskAndSaysSoOnce) {
  ::testing::internal::CaptureStderr();
  std::filesystem::create_symlink("/dev/full", path("log"));
  auto sink = open(path("log"));
  auto producer = sink->make_producer();
  producer->write("one");
  producer->write("two");
  std::filesystem::remove(path("log"));
  EXPECT_TRUE(sink->reopen());
  wait_until_written(*sink, 2);
  sink.reset();
  EXPECT_EQ(content_of(path("log")), "one\ntwo\n");
  const std::string said = ::testing::internal::GetCapturedStderr();
  EXPECT_LE(lines_of(said).size(), 2u) << said;
}

// A file-size limit stops the file in the middle of a line, as a full disk may.
TEST_F(LineSinkTest, WritesALineThatWasTornWholeIntoTheNextFile) {
  ::testing::internal::CaptureStderr();
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit small = before;
  small.rlim_cur = 10;
  auto sink = open(path("log"));
  auto producer = sink->make_producer();
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  producer->write("first");
  producer->write("second");
  producer->write("third");
  while (content_of(path("log")).size() < 10) std::this_thread::yield();
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::filesystem::rename(path("log"), path("log.1"));
  EXPECT_TRUE(sink->reopen());
  wait_until_written(*sink, 3);
  sink.reset();
  ::testing::internal::GetCapturedStderr();
  const std::string all = content_of(path("log.1")) + "|" + content_of(path("log"));
  // The writer may have finished the line in the old file before it saw the new one.
  EXPECT_THAT(all, ::testing::AnyOf("first\nseco|second\nthird\n", "first\nsecond\nthird\n|"));
}

TEST_F(LineSinkTest, SwallowsEverythingWhenOff) {
  auto sink = open("off");
  EXPECT_TRUE(sink->make_producer()->write("nothing"));
  EXPECT_TRUE(sink->reopen());
  EXPECT_EQ(sink->written(), 0u);
  EXPECT_EQ(sink->dropped(), 0u);
}

TEST_F(LineSinkTest, SaysInOneLineWhatToDoAboutAFileThatCannotBeOpened) {
  std::string why_not;
  EXPECT_EQ(LineSink::open(path("missing/log"), &why_not), nullptr);
  EXPECT_EQ(why_not, "cannot open log file \"" + path("missing/log") +
                         "\": No such file or directory; create its directory");
  EXPECT_EQ(LineSink::open(path(""), &why_not), nullptr);
  EXPECT_THAT(why_not, HasSubstr("name a file, not a directory"));
}

}  // namespace
}  // namespace penstock::observe
