// judge_name runs before anybody has proved anything: it must not be a way to the allocator.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <string>

#include "policy/test_rules.h"

// The sanitizers bring their own operator new; the other builds count.
#if !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)

namespace {
std::atomic<size_t> allocations = 0;
}  // namespace

void* operator new(size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  std::abort();
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, size_t) noexcept {
  std::free(memory);
}

namespace penstock::policy {
namespace {

TEST(JudgeName, AllocatesNothing) {
  std::vector<Written> written = {{.patterns = {"a.example:443", "*.example.com:443"}},
                                  {.patterns = {"10.0.0.0/8:443", "[::/0]:443"}}};
  for (int i = 0; i < 100; ++i) {
    written.push_back({.patterns = {"*:443"},
                       .clients = {"10.0." + std::to_string(i) + ".0/24"},
                       .identities = {"ci-" + std::to_string(i), "bot-*"}});
  }
  const Rules rules = compiled(written);
  const std::string identity = "bot-with-a-name-longer-than-a-small-string";
  const Asker asker{ip("10.0.77.1"), identity};
  const http::Authority targets[] = {to("a.example:443"),
                                     to("x.y.example.com:443"),
                                     to("10.1.2.3:443"),
                                     to("[fd00::1]:443"),
                                     to("nobody.knows.this.name.which.is.long.example:443"),
                                     to("other.example:1")};
  const size_t before = allocations;
  size_t allowed = 0;
  for (const http::Authority& target : targets) allowed += rules.judge_name(asker, target).allowed;
  EXPECT_EQ(allocations - before, 0u);
  EXPECT_EQ(allowed, 5u);
  const size_t counted = allocations;
  const std::string heap(200, static_cast<char>(allowed));
  EXPECT_GT(allocations, counted) << "the counter does not count " << heap.size();
}

}  // namespace
}  // namespace penstock::policy

#endif
