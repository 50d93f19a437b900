#include "icap/request.h"

#include <gtest/gtest.h>

#include <string>

namespace penstock::icap {
namespace {

Service service() {
  Service out;
  const auto url = parse_service_url("icap://scan.example/avscan?mode=simple");
  out.authority = url->authority;
  out.path = url->path;
  return out;
}

TEST(IcapUrl, NamesAHostAndAServiceOfIt) {
  EXPECT_EQ(service().uri(), "icap://scan.example:1344/avscan?mode=simple");
  EXPECT_EQ(parse_service_url("ICAP://[::1]:99/x")->authority.port, 99);
}

TEST(IcapUrl, IsRefusedWithWhatWouldBeRight) {
  for (const char* const text :
       {"icaps://h/x", "http://h/x", "icap://h", "icap://h/", "icap:///x", "icap://h:0/x",
        "icap://h/a b", "icap://h?x", "icap://u@h/x", ""}) {
    const auto url = parse_service_url(text);
    ASSERT_FALSE(url) << text;
    EXPECT_FALSE(url.error().empty());
  }
  EXPECT_NE(parse_service_url("icaps://h/x").error().find("icap://127.0.0.1:1344/avscan"),
            std::string::npos);
}

TEST(IcapRequest, SaysWhereItsPartsBegin) {
  const std::string request = "GET https://a/ HTTP/1.1\r\nHost: a\r\n\r\n";
  const std::string answer = "HTTP/1.1 200 OK\r\n\r\n";
  EXPECT_EQ(head_of(service(), {.method = Method::kRespmod,
                                .request = request,
                                .answer = answer,
                                .body = true,
                                .preview = 4,
                                .allow_204 = true}),
            "RESPMOD icap://scan.example:1344/avscan?mode=simple ICAP/1.0\r\n"
            "Host: scan.example:1344\r\nUser-Agent: penstock\r\nAllow: 204\r\nPreview: 4\r\n"
            "Encapsulated: req-hdr=0, res-hdr=36, res-body=55\r\n\r\n" +
                request + answer);
}

TEST(IcapRequest, WithoutABodySaysSo) {
  const std::string asked =
      head_of(service(), {.method = Method::kReqmod, .request = "GET / HTTP/1.1\r\n\r\n"});
  EXPECT_NE(asked.find("\r\nEncapsulated: req-hdr=0, null-body=18\r\n\r\n"), std::string::npos);
  EXPECT_EQ(asked.find("Allow"), std::string::npos);
  EXPECT_NE(head_of(service(), {}).find("\r\nEncapsulated: null-body=0\r\n\r\n"),
            std::string::npos);
}

TEST(IcapRequest, TellsOfTheClientOnlyWhatItIsGiven) {
  const std::string told = head_of(
      service(),
      {.method = Method::kReqmod, .client = "10.0.0.1", .identity = "a\r\nb", .origin = "::1"});
  EXPECT_NE(told.find("X-Client-IP: 10.0.0.1\r\nX-Server-IP: ::1\r\n"
                      "X-Authenticated-User: TG9jYWw6Ly9hDQpi\r\n"),
            std::string::npos);
  EXPECT_EQ(head_of(service(), {}).find("X-"), std::string::npos);
}

TEST(IcapPreview, EndsInTheWayThatSaysWhetherThereIsMore) {
  EXPECT_EQ(preview_of("hello, hello!!!!", false), "10\r\nhello, hello!!!!\r\n0\r\n\r\n");
  EXPECT_EQ(preview_of("x", true), "1\r\nx\r\n0; ieof\r\n\r\n");
  EXPECT_EQ(preview_of("", false), "0\r\n\r\n");
}

}  // namespace
}  // namespace penstock::icap
