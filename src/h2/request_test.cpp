#include "h2/request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace penstock::h2 {
namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

const Fields kConnect = {{":method", "CONNECT"}, {":authority", "a.example:443"}};

Fields with(Fields fields, const Fields& more) {
  fields.insert(fields.end(), more.begin(), more.end());
  return fields;
}

Result<Request> read(const Fields& fields, http::HeadLimits limits = {}, bool last = false) {
  RequestReader reader(limits, "http");
  for (const auto& [name, value] : fields) reader.take(name, value);
  return reader.request(last);
}

std::optional<Code> refused(const Fields& fields, http::HeadLimits limits = {}) {
  const auto request = read(fields, limits);
  return request ? std::nullopt : std::optional(request.error().code);
}

Fields to(const std::string& authority) {
  return {{":method", "CONNECT"}, {":authority", authority}};
}

TEST(Http2Request, IsAMethodAndAnAuthority) {
  const auto request = read(with(kConnect, {{"user-agent", "x"}, {"te", "trailers"}}));
  ASSERT_TRUE(request);
  EXPECT_EQ(request->target.text(), "a.example:443");
  EXPECT_FALSE(request->credentials);
}

TEST(Http2Request, NamesItsDestinationAsStrictlyAsInHttp1) {
  EXPECT_EQ(refused(to("a.example")), Code::kMissingPort);
  EXPECT_EQ(refused(to("user:secret@a.example:443")), Code::kUserinfo);
  EXPECT_EQ(refused(to("a.example:0443")), Code::kBadPort);
  EXPECT_EQ(refused(to("https://a.example:443")), Code::kTargetForm);
  EXPECT_EQ(refused(to("0x7f.1:443")), Code::kNumericHost);
  EXPECT_TRUE(refused(to("")));
}

TEST(Http2Request, HasNoSchemeAndNoPath) {
  EXPECT_EQ(refused(with(kConnect, {{":scheme", "https"}})), Code::kBadPseudoField);
  EXPECT_EQ(refused(with(kConnect, {{":path", "/"}})), Code::kBadPseudoField);
  EXPECT_EQ(refused({{":method", "CONNECT"}}), Code::kBadPseudoField);
  EXPECT_EQ(refused({{":authority", "a.example:443"}}), Code::kBadPseudoField);
  EXPECT_EQ(refused({}), Code::kBadPseudoField);
}

TEST(Http2Request, HasEachPseudoFieldOnceAndInFront) {
  EXPECT_EQ(refused(with(kConnect, {{":method", "CONNECT"}})), Code::kBadPseudoField);
  EXPECT_EQ(refused(with(kConnect, {{":authority", "b.example:443"}})), Code::kBadPseudoField);
  EXPECT_EQ(refused(with(kConnect, {{":status", "200"}})), Code::kBadPseudoField);
  EXPECT_EQ(refused({{":method", "CONNECT"}, {"x", "y"}, {":authority", "a.example:443"}}),
            Code::kBadPseudoField);
}

TEST(Http2Request, OfAnotherKindIsNamed) {
  EXPECT_EQ(refused(with(kConnect, {{":protocol", "connect-udp"}})), Code::kExtendedConnect);
  EXPECT_EQ(refused({{":method", "connect"}, {":authority", "a.example:443"}}),
            Code::kBadPseudoField);
}

Fields get(const std::string& authority = "a.example", const std::string& path = "/") {
  return {{":method", "GET"}, {":scheme", "http"}, {":authority", authority}, {":path", path}};
}

std::string head_of(const Fields& fields, bool last = true) {
  const auto request = read(fields, {}, last);
  return request ? request->head : std::string(facts(request.error().code).word);
}

TEST(ForwardedHttp2Request, IsWrittenAsAHeadOfHttp1) {
  EXPECT_EQ(head_of(with(get("a.example:81", "/x?y"), {{"accept", "*/*"}})),
            "GET http://a.example:81/x?y HTTP/1.1\r\nHost: a.example:81\r\naccept: */*\r\n\r\n");
  EXPECT_EQ(head_of({{":method", "OPTIONS"}, {":scheme", "http"}, {":path", "*"}, {"host", "a"}}),
            "OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(head_of(with(get(), {{"cookie", "a=1"}, {"x", ""}, {"cookie", "b=2"}})),
            "GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\nx: \r\nCookie: a=1; b=2\r\n\r\n");
}

TEST(ForwardedHttp2Request, SaysHowItsBodyGoesOn) {
  EXPECT_THAT(head_of(get(), false), testing::HasSubstr("\r\nTransfer-Encoding: chunked\r\n"));
  EXPECT_THAT(head_of(get(), true), testing::Not(testing::HasSubstr("chunked")));
  const Fields counted = with(get(), {{"content-length", "3"}});
  EXPECT_THAT(head_of(counted, false), testing::HasSubstr("\r\nContent-Length: 3\r\n"));
  EXPECT_EQ(head_of(counted, true), "body_framing") << "three bytes of an empty body";
  EXPECT_EQ(head_of(with(counted, {{"content-length", "3"}}), false), "body_framing");
}

TEST(ForwardedHttp2Request, LeavesItsCredentialsOutOfTheHead) {
  const auto request = read(with(get(), {{"proxy-authorization", "Basic dTpw"}}), {}, true);
  ASSERT_TRUE(request && request->credentials);
  EXPECT_EQ(request->credentials->secret.view(), "u:p");
  EXPECT_THAT(request->head, testing::Not(testing::HasSubstr("uthorization")));
}

TEST(ForwardedHttp2Request, HasTheSchemeOfItsTunnelInsideOne) {
  for (const std::string scheme : {"http", "https"}) {
    RequestReader reader({}, "https");
    Fields fields = get("a.example", "/x");
    fields[1].second = scheme;
    for (const auto& [name, value] : fields) reader.take(name, value);
    const auto request = reader.request(true);
    ASSERT_EQ(request.has_value(), scheme == "https");
    if (request) EXPECT_TRUE(request->head.starts_with("GET https://a.example/x HTTP/1.1\r\n"));
  }
}

// What stands in one field must not become a part of another.
TEST(ForwardedHttp2Request, KeepsItsPartsApart) {
  EXPECT_EQ(head_of(get("a.example", ".b.example/")), "target_form");
  EXPECT_EQ(head_of(get("a.example", "")), "target_form");
  EXPECT_EQ(head_of(get("a.example/x")), "target_form");
  EXPECT_EQ(head_of(get("u@a.example")), "userinfo");
  Fields fields = get();
  fields[1].second = "https";
  EXPECT_EQ(head_of(fields), "scheme");
  fields[1].second = "http://b.example/";
  EXPECT_EQ(head_of(fields), "scheme");
  fields = get();
  fields[0].second = "GET http://b.example/ HTTP/1.1";
  EXPECT_EQ(head_of(fields), "bad_pseudo_field");
  EXPECT_EQ(head_of({{":method", "GET"}, {":scheme", "http"}, {":path", "/"}}), "missing_host");
  EXPECT_EQ(head_of({{":method", "GET"}, {":authority", "a"}, {":path", "/"}}), "bad_pseudo_field");
}

TEST(Http2Request, HasNoBody) {
  EXPECT_EQ(refused(with(kConnect, {{"content-length", "0"}})), Code::kContentLength);
}

TEST(Http2Request, HasNothingOfAConnectionOfHttp1) {
  for (const char* name :
       {"connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade"}) {
    EXPECT_EQ(refused(with(kConnect, {{name, "x"}})), Code::kHttp1Field) << name;
  }
  EXPECT_EQ(refused(with(kConnect, {{"te", "gzip"}})), Code::kHttp1Field);
}

TEST(Http2Request, HasNamesAndValuesThatAreSuch) {
  EXPECT_EQ(refused(with(kConnect, {{"User-Agent", "x"}})), Code::kBadFieldName);
  EXPECT_EQ(refused(with(kConnect, {{"", "x"}})), Code::kBadFieldName);
  EXPECT_EQ(refused(with(kConnect, {{"a b", "x"}})), Code::kBadFieldName);
  EXPECT_EQ(refused(with(kConnect, {{"a", "x\r\ny: z"}})), Code::kForbiddenByte);
  EXPECT_EQ(refused(with(kConnect, {{"a", std::string("x\0y", 3)}})), Code::kForbiddenByte);
  EXPECT_EQ(refused(to("a.example:443\n")), Code::kForbiddenByte);
}

TEST(Http2Request, MayRepeatItsDestinationInHostButNotNameAnother) {
  EXPECT_FALSE(refused(with(kConnect, {{"host", "a.example:443"}})));
  EXPECT_EQ(refused(with(kConnect, {{"host", "b.example:443"}})), Code::kHostMismatch);
  EXPECT_EQ(refused(with(kConnect, {{"host", "a b"}})), Code::kBadHost);
  EXPECT_EQ(refused(with(kConnect, {{"host", "a.example"}, {"host", "a.example"}})),
            Code::kDuplicateHost);
}

TEST(Http2Request, BringsItsCredentialsOnce) {
  const Fields basic = {{"proxy-authorization", "Basic dTpw"}};
  const auto request = read(with(kConnect, basic));
  ASSERT_TRUE(request && request->credentials);
  EXPECT_EQ(request->credentials->scheme, http::AuthScheme::kBasic);
  EXPECT_EQ(request->credentials->secret.view(), "u:p");
  EXPECT_EQ(refused(with(with(kConnect, basic), basic)), Code::kDuplicateCredentials);
  const Fields empty = {{"proxy-authorization", ""}};
  EXPECT_EQ(refused(with(kConnect, empty)), Code::kBadCredentials);
  EXPECT_EQ(refused(with(with(kConnect, empty), basic)), Code::kDuplicateCredentials);
}

TEST(Http2Request, IsBoundedInBytesAndFields) {
  const Fields many(200, {"a", "b"});
  EXPECT_EQ(refused(with(kConnect, many), {16 * 1024, 100}), Code::kTooManyFields);
  EXPECT_EQ(refused(with(kConnect, many), {1024, 1000}), Code::kHeadTooLarge);
  EXPECT_FALSE(refused(with(kConnect, many), {16 * 1024, 1000}));
  RequestReader reader({1024, 100}, "http");
  reader.take("abc", "de");
  EXPECT_EQ(reader.bytes(), 37u) << "as RFC 9113 section 6.5.2 counts";
}

TEST(Http2Request, IsSketchedForTheLogWithoutItsSecrets) {
  const auto sketch = [](const Fields& fields) {
    RequestReader reader({}, "http");
    for (const auto& [name, value] : fields) reader.take(name, value);
    return reader.sketch();
  };
  EXPECT_EQ(sketch(kConnect), "CONNECT a.example:443");
  EXPECT_EQ(sketch(to("user:secret@a.example:443")), "CONNECT a.example:443");
  EXPECT_EQ(sketch({{":method", "GET"}, {":authority", "a"}, {":path", "/x"}}), "GET a/x");
  EXPECT_EQ(sketch({}), " ");
}

}  // namespace
}  // namespace penstock::h2
