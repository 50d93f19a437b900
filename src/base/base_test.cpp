// The small values of base/: JSON, decimals, lists, time, and the rules that error.def keeps.
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "base/ascii.h"
#include "base/counted.h"
#include "base/error.h"
#include "base/json.h"
#include "base/list.h"
#include "base/time.h"

namespace penstock {
namespace {

TEST(ErrorTable, GivesEachCodeItsOwnWordAndAReadableSentence) {
  std::set<std::string_view> words;
  for (int code = 0; code < kCodeCount; ++code) {
    const ErrorFacts& row = facts(static_cast<Code>(code));
    EXPECT_TRUE(words.insert(row.word).second) << row.word;
    EXPECT_FALSE(row.sentence.empty());
    EXPECT_EQ(row.sentence.back(), '.') << row.word;
    EXPECT_EQ(row.sentence.find('\n'), std::string_view::npos);
    EXPECT_EQ(row.status == 0, row.proxy_status.empty()) << row.word;
    if (row.status == 407) EXPECT_EQ(row.side, Side::kClient) << "407 is never for policy";
  }
}

TEST(JsonWriter, WritesNestedValuesWithCommasWhereTheyBelong) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().field("a", 1).key("b").begin_array().value("x").value(true).end_array();
  json.key("c")
      .begin_object()
      .end_object()
      .field("d", uint64_t{18446744073709551615u})
      .end_object();
  EXPECT_EQ(out, R"({"a":1,"b":["x",true],"c":{},"d":18446744073709551615})");
}

TEST(JsonWriter, EscapesHostileBytesAndKeepsUtf8) {
  std::string out;
  append_json_escaped(out, std::string_view("a\"\\\n\0\x7f", 6));
  EXPECT_EQ(out, R"(a\"\\\u000a\u0000\u007f)");
  out.clear();
  append_json_escaped(out, "\xc3\xa9 \xff \xc0\x80 \xed\xa0\x80");
  EXPECT_EQ(out, "\xc3\xa9 \\u00ff \\u00c0\\u0080 \\u00ed\\u00a0\\u0080");
}

TEST(Counted, IsPluralForEverythingButOne) {
  EXPECT_EQ(counted(0, "rule"), "0 rules");
  EXPECT_EQ(counted(1, "rule"), "1 rule");
  EXPECT_EQ(counted(2, "rule"), "2 rules");
}

TEST(ParseDecimal, RefusesSignsLeadingZerosAndOverflow) {
  EXPECT_EQ(parse_decimal("0", 65535), 0u);
  EXPECT_EQ(parse_decimal("65535", 65535), 65535u);
  for (const char* text : {"", "65536", "00", "01", "+1", "-1", " 1", "1 ", "1e0", "0x1",
                           "18446744073709551617", "99999999999999999999999"}) {
    EXPECT_FALSE(parse_decimal(text, 65535)) << text;
  }
  EXPECT_EQ(parse_decimal("18446744073709551615", UINT64_MAX), UINT64_MAX);
  EXPECT_FALSE(parse_decimal("18446744073709551616", UINT64_MAX));
}

TEST(DeadlineAfter, TreatsZeroAsNoLimitAndSaturates) {
  const Instant now{std::chrono::hours(1)};
  EXPECT_EQ(deadline_after(now, Duration::zero()), kNever);
  EXPECT_EQ(deadline_after(now, Duration::max()), kNever);
  EXPECT_EQ(deadline_after(now, std::chrono::seconds(1)), now + std::chrono::seconds(1));
}

struct Element : ListNode {
  explicit Element(int n) : number(n) {}
  int number;
};

TEST(List, UnlinksElementsThatDie) {
  List<Element> list;
  Element first(1);
  {
    Element second(2);
    list.push_back(first);
    list.push_back(second);
  }
  int seen = 0;
  list.for_each([&](Element& element) { seen = seen * 10 + element.number; });
  EXPECT_EQ(seen, 1);
}

TEST(List, TakesAllOfAnotherInOrder) {
  List<Element> a, b;
  Element one(1), two(2), three(3);
  a.push_back(one);
  b.push_back(two);
  b.push_back(three);
  a.take_all(b);
  EXPECT_TRUE(b.empty());
  int seen = 0;
  a.for_each([&](Element& element) {
    seen = seen * 10 + element.number;
    element.unlink();
  });
  EXPECT_EQ(seen, 123);
  EXPECT_TRUE(a.empty());
}

}  // namespace
}  // namespace penstock
