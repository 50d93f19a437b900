#include "policy/name_index.h"

#include <gtest/gtest.h>

#include <string>

namespace penstock::policy {
namespace {

TEST(NameIndex, FindsEveryWordItWasGivenAndNoOther) {
  NameIndex index;
  for (uint32_t i = 0; i < 5000; ++i) EXPECT_EQ(index.add("host" + std::to_string(i)), i);
  for (uint32_t i = 0; i < 5000; ++i) EXPECT_EQ(index.find("host" + std::to_string(i)), i);
  EXPECT_EQ(index.find("host5000"), NameIndex::kNone);
  EXPECT_EQ(index.find(""), NameIndex::kNone);
}

TEST(NameIndex, NumbersAWordOnce) {
  NameIndex index;
  EXPECT_EQ(index.add("a"), 0u);
  EXPECT_EQ(index.add("b"), 1u);
  EXPECT_EQ(index.add("a"), 0u);
  EXPECT_EQ(index.size(), 2u);
}

TEST(NameIndex, ToleratesWordsWithTheSameHash) {
  NameIndex index;
  index.add("a");
  EXPECT_EQ(index.find("b", NameHash::of("a")), NameIndex::kNone);
}

TEST(NameHash, YieldsTheHashOfEachSuffixOnTheWay) {
  const std::string name = "a.bc.def";
  NameHash hash;
  for (size_t at = name.size(); at > 0; --at) {
    hash.prepend(name[at - 1]);
    EXPECT_EQ(hash.value(), NameHash::of(std::string_view(name).substr(at - 1)));
  }
}

}  // namespace
}  // namespace penstock::policy
