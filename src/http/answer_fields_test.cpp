#include "http/answer_fields.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace penstock::http {
namespace {

using std::chrono_literals::operator""us;
using testing::ElementsAre;
using testing::IsEmpty;

std::string head_with(std::string_view fields) {
  return "HTTP/1.1 200 OK\r\n" + std::string(fields) + "\r\n";
}

TEST(FinalHead, IsTheAnswerBehindInterimOnes) {
  const std::string interim = "HTTP/1.1 103 Early Hints\r\nA: early\r\n\r\n";
  const std::string last = head_with("A: late\r\n");
  EXPECT_EQ(final_head(last, last.size()), last);
  const std::string both = interim + last;
  EXPECT_EQ(final_head(both + "tunnel\r\n\r\n", both.size()), last);
  EXPECT_THAT(field_values(final_head(both, both.size()), "a"), ElementsAre("late"));
}

TEST(FieldValues, AreFoundByNameWhateverItsCase) {
  const std::string head = head_with("Via: 1.1 a\r\nX-Via: no\r\nvia:1.1 b  \r\nEmpty:\r\n");
  EXPECT_THAT(field_values(head, "VIA"), ElementsAre("1.1 a", "1.1 b"));
  EXPECT_THAT(field_values(head, "Empty"), ElementsAre(""));
  EXPECT_THAT(field_values(head, "Date"), IsEmpty());
}

TEST(ProxyStatuses, NameEachProxyOnTheWay) {
  const std::string head = head_with(
      "Proxy-Status: \"far, away\"; received-status=200, near; error=dns_error; details=\"no; "
      "\\\"such\\\" name\"\r\nProxy-Status: penstock\r\n");
  EXPECT_THAT(proxy_statuses(head),
              ElementsAre(ProxyStatus{"far, away", "", ""},
                          ProxyStatus{"near", "dns_error", "no; \"such\" name"},
                          ProxyStatus{"penstock", "", ""}));
}

TEST(ProxyStatuses, LeaveOutWhatIsNoMember) {
  EXPECT_THAT(proxy_statuses(head_with("Proxy-Status: , ;error=x, a b;error=y\r\n")), IsEmpty());
  EXPECT_THAT(proxy_statuses(head_with("Proxy-Status: p;error=\"in quotes\"\r\n")),
              ElementsAre(ProxyStatus{"p", "", ""}));
}

TEST(ServerTiming, IsReadInMilliseconds) {
  const std::string head =
      head_with("Server-Timing: resolve;dur=8.125, dial;desc=\"x, dial;dur=1\"; dur=35\r\n");
  EXPECT_EQ(server_timing(head, "resolve"), 8125us);
  EXPECT_EQ(server_timing(head, "dial"), 35'000us);
  EXPECT_EQ(server_timing(head, "queue"), std::nullopt);
}

TEST(ServerTiming, ThatIsNoPlainNumberIsNone) {
  for (const char* duration : {"", "-1", "1e3", ".5", "5.", "100000000000", "5ms"}) {
    const std::string head = head_with("Server-Timing: a;dur=" + std::string(duration) + "\r\n");
    EXPECT_EQ(server_timing(head, "a"), std::nullopt) << duration;
  }
}

}  // namespace
}  // namespace penstock::http
