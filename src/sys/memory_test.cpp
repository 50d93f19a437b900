#include "sys/memory.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <vector>

namespace penstock::sys {
namespace {

// A tree of control groups as the kernel would show it.
class Groups : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "penstock-groups-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    root_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  void write(const std::string& path, const std::string& text) const {
    const auto file = root_ / path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  std::optional<MemoryGroup> find(const std::string& membership) const {
    write("membership", membership);
    return MemoryGroup::find(root_ / "membership", root_ / "fs");
  }
  // Of a group that must be there.
  MemoryGroup::Usage usage(const std::string& membership) const {
    const auto group = find(membership);
    const auto usage = group ? group->usage() : std::nullopt;
    EXPECT_TRUE(usage);
    return usage.value_or(MemoryGroup::Usage{});
  }

  std::filesystem::path root_;
};

TEST_F(Groups, OfVersion2SayWhatTheyAllowAndUseWithoutFilePagesThatCanGo) {
  write("fs/app/memory.max", "1000000\n");
  write("fs/app/memory.current", "600000\n");
  write("fs/app/memory.stat", "anon 100\ninactive_file 250000\nactive_file 7\n");
  EXPECT_EQ(usage("0::/app\n").limit, 1'000'000u);
  EXPECT_EQ(usage("0::/app\n").used, 350'000u);
}

TEST_F(Groups, OfVersion1HaveOtherNames) {
  write("fs/memory/app/memory.limit_in_bytes", "5000\n");
  write("fs/memory/app/memory.usage_in_bytes", "4000\n");
  write("fs/memory/app/memory.stat", "inactive_file 1\ntotal_inactive_file 1000\n");
  const std::string membership = "5:cpu,cpuacct:/x\n4:memory:/app\n0::/y\n";
  EXPECT_EQ(usage(membership).limit, 5000u);
  EXPECT_EQ(usage(membership).used, 3000u);
}

TEST_F(Groups, AboveHoldToo) {
  write("fs/a/memory.max", "70\n");
  write("fs/a/memory.current", "1\n");
  write("fs/a/b/memory.max", "max\n");
  write("fs/a/b/c/memory.max", "100\n");
  EXPECT_EQ(usage("0::/a/b/c\n").limit, 70u);
}

TEST_F(Groups, OfAContainerLieAtTheRootWhateverThePathOfTheHost) {
  write("fs/memory/memory.limit_in_bytes", "800\n");
  write("fs/memory/memory.usage_in_bytes", "8\n");
  EXPECT_EQ(usage("4:memory:/docker/0123abcd\n").limit, 800u);
  write("fs/memory.max", "900\n");
  write("fs/memory.current", "9\n");
  EXPECT_EQ(usage("0::/\n").limit, 900u);
}

TEST_F(Groups, WithoutALimitAreNone) {
  write("fs/app/memory.max", "max\n");
  EXPECT_FALSE(find("0::/app\n"));
  write("fs/memory/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_FALSE(find("4:memory:/\n"));
  EXPECT_FALSE(find("0::/nowhere\n"));
  EXPECT_FALSE(find(""));
  EXPECT_FALSE(find("nonsense\n"));
}

TEST_F(Groups, WhoseLimitIsLiftedHaveNoUsageToHoldAgainstIt) {
  write("fs/memory.max", "900\n");
  write("fs/memory.current", "9\n");
  const auto group = find("0::/\n");
  ASSERT_TRUE(group);
  write("fs/memory.max", "max\n");
  EXPECT_FALSE(group->usage());
}

TEST(Memory, ThatIsTouchedIsResidentAndGivenBackOnceItIsFreed) {
  constexpr size_t kBytes = 64 << 20;
  const uint64_t before = resident_bytes();
  ASSERT_GT(before, 0u);
  {
    // Small pieces stay with malloc, which gives whole mappings back by itself.
    std::vector<std::unique_ptr<char[]>> pieces(kBytes / 8192);
    for (auto& piece : pieces) piece = std::make_unique<char[]>(8192);
    EXPECT_GE(resident_bytes(), before + kBytes);
  }
  give_back_free_memory();
#if !__has_feature(address_sanitizer)  // whose allocator keeps what was freed for a while
  EXPECT_LT(resident_bytes(), before + kBytes / 2);
#endif
}

}  // namespace
}  // namespace penstock::sys
