// What a complete head means: parse_connect, parse_get and the sketch for the log.
#include "http/head.h"

#include <gtest/gtest.h>

#include <string>

namespace penstock::http {
namespace {

using std::string_literals::operator""s;

std::string connect_outcome(const std::string& head) {
  const auto request = parse_connect(head, HeadLimits{});
  if (!request) return std::string(facts(request.error().code).word);
  return request->target.text() + (request->http_1_0 ? " 1.0" : " 1.1");
}

// A good CONNECT with `fields` (each with its CR LF) behind Host.
std::string connect_with(const std::string& fields) {
  return "CONNECT h.example:443 HTTP/1.1\r\nHost: h.example:443\r\n" + fields + "\r\n";
}

struct Row {
  const char* what;
  std::string head;
  const char* outcome;
};

template <size_t n>
void expect_connect_outcomes(const Row (&rows)[n]) {
  for (const Row& row : rows) {
    EXPECT_EQ(connect_outcome(row.head), row.outcome) << row.what;
  }
}

TEST(ParseConnect, AcceptsWhatClientsSend) {
  const Row rows[] = {
      {"curl",
       "CONNECT h.example:443 HTTP/1.1\r\nHost: h.example:443\r\nUser-Agent: curl/8.5.0\r\n"
       "Proxy-Connection: Keep-Alive\r\n\r\n",
       "h.example:443 1.1"},
      {"curl --proxy1.0", "CONNECT h.example:443 HTTP/1.0\r\nHost: h.example:443\r\n\r\n",
       "h.example:443 1.0"},
      {"corkscrew, without any field", "CONNECT h.example:22 HTTP/1.0\r\n\r\n", "h.example:22 1.0"},
      {"an empty line before the request",
       "\r\nCONNECT h.example:443 HTTP/1.1\r\nHost: h.example:443\r\n\r\n", "h.example:443 1.1"},
      {"a name in capitals and with its root dot",
       "CONNECT H.EXAMPLE.:443 HTTP/1.1\r\nHost: h.example\r\n\r\n", "h.example:443 1.1"},
      {"IPv6", "CONNECT [2001:DB8::0:1]:443 HTTP/1.1\r\nhost:[2001:db8::1]\r\n\r\n",
       "[2001:db8::1]:443 1.1"},
      {"obs-text and tabs in a value", connect_with("X:\t\xe4\t\r\nY:\r\n"), "h.example:443 1.1"},
  };
  expect_connect_outcomes(rows);
}

TEST(ParseConnect, ReadsTheCredentialsOfOneField) {
  const auto credentials = [](const std::string& fields) {
    const auto request = parse_connect(connect_with(fields), HeadLimits{});
    return request && request->credentials ? std::string(request->credentials->secret.view()) : "";
  };
  EXPECT_EQ(credentials("proxy-AUTHORIZATION:\tBasic YTpi \r\n"), "a:b");
  EXPECT_EQ(credentials("Authorization: Basic YTpi\r\n"), "") << "that is the origin's";
  EXPECT_EQ(credentials("X: y\r\n"), "");
  const Row rows[] = {
      {"two fields",
       connect_with("Proxy-Authorization: Basic YTpi\r\nProxy-Authorization: Basic YTpi\r\n"),
       "duplicate_credentials"},
      {"an empty one", connect_with("Proxy-Authorization:\r\n"), "bad_credentials"},
      {"a list", connect_with("Proxy-Authorization: Basic YTpi, Bearer x\r\n"), "bad_credentials"},
      {"two spaces", connect_with("Proxy-Authorization: Basic  YTpi\r\n"), "h.example:443 1.1"},
  };
  expect_connect_outcomes(rows);
}

TEST(ParseConnect, SaysWhetherTheConnectionIsToBeClosed) {
  EXPECT_TRUE(parse_connect(connect_with("Connection: Close\r\n"), HeadLimits{})->close);
  EXPECT_FALSE(parse_connect(connect_with("Connection: keep-alive\r\n"), HeadLimits{})->close);
}

TEST(ParseConnect, WantsOneHostThatNamesTheTarget) {
  const std::string line = "CONNECT h.example:8443 HTTP/1.1\r\n";
  const Row rows[] = {
      {"Host with the port", line + "Host: h.example:8443\r\n\r\n", "h.example:8443 1.1"},
      {"Host without the port", line + "Host: h.example\r\n\r\n", "h.example:8443 1.1"},
      {"Host in capitals", line + "HOST: H.EXAMPLE\r\n\r\n", "h.example:8443 1.1"},
      {"spaces and tabs around Host", line + "Host: \t h.example:8443 \t\r\n\r\n",
       "h.example:8443 1.1"},
      {"no space before Host's value", line + "Host:h.example\r\n\r\n", "h.example:8443 1.1"},
      {"no Host", line + "\r\n", "missing_host"},
      {"a field that only ends in Host", line + "X-Host: h.example\r\n\r\n", "missing_host"},
      {"an empty Host", line + "Host:\r\n\r\n", "bad_host"},
      {"an empty Host in HTTP/1.0", "CONNECT h:443 HTTP/1.0\r\nHost: \r\n\r\n", "bad_host"},
      {"two equal Hosts", line + "Host: h.example:8443\r\nHost: h.example:8443\r\n\r\n",
       "duplicate_host"},
      {"two Hosts, the last one right", line + "Host: evil\r\nhOsT: h.example:8443\r\n\r\n",
       "duplicate_host"},
      {"two Hosts in HTTP/1.0", "CONNECT h:443 HTTP/1.0\r\nHost: h\r\nHost: h\r\n\r\n",
       "duplicate_host"},
      {"three Hosts", line + "Host: h.example\r\nHost: h.example\r\nHost: h.example:8443\r\n\r\n",
       "duplicate_host"},
      {"an allowed Host with another target", line + "Host: allowed.example:8443\r\n\r\n",
       "host_mismatch"},
      {"another Host in HTTP/1.0", "CONNECT h:443 HTTP/1.0\r\nHost: i\r\n\r\n", "host_mismatch"},
      {"another port in Host", line + "Host: h.example:443\r\n\r\n", "host_mismatch"},
      {"a list of Hosts", line + "Host: h.example, evil\r\n\r\n", "bad_host"},
      {"Host with obs-text", line + "Host: h.example\xff\r\n\r\n", "bad_host"},
      {"Host as a URL", line + "Host: https://h.example:8443/\r\n\r\n", "bad_host"},
      {"Host with userinfo", line + "Host: u@h.example:8443\r\n\r\n", "bad_host"},
      {"Host with an empty port", line + "Host: h.example:\r\n\r\n", "bad_host"},
      {"Host with a port of another spelling", line + "Host: h.example:08443\r\n\r\n", "bad_host"},
      {"Host with a numeric name", line + "Host: 127.1\r\n\r\n", "bad_host"},
  };
  expect_connect_outcomes(rows);
}

TEST(ParseConnect, RefusesEveryFramingOfABody) {
  const Row rows[] = {
      {"Content-Length of zero", connect_with("Content-Length: 0\r\n"), "content_length"},
      {"Content-Length", connect_with("Content-Length: 5\r\n"), "content_length"},
      {"Content-Length in capitals", connect_with("CONTENT-LENGTH: 5\r\n"), "content_length"},
      {"an empty Content-Length", connect_with("content-length:\r\n"), "content_length"},
      {"a signed Content-Length", connect_with("Content-Length: +5\r\n"), "content_length"},
      {"two Content-Lengths", connect_with("Content-Length: 5\r\nContent-Length: 6\r\n"),
       "content_length"},
      {"a list of Content-Lengths", connect_with("Content-Length: 5, 5\r\n"), "content_length"},
      {"chunked", connect_with("Transfer-Encoding: chunked\r\n"), "transfer_encoding"},
      {"chunked with a comma", connect_with("Transfer-Encoding: chunked,\r\n"),
       "transfer_encoding"},
      {"identity", connect_with("transfer-ENCODING: identity\r\n"), "transfer_encoding"},
      {"an empty Transfer-Encoding", connect_with("Transfer-Encoding:\r\n"), "transfer_encoding"},
      {"both", connect_with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
       "transfer_encoding"},
      {"Content-Length with a space before the colon", connect_with("Content-Length : 1\r\n"),
       "space_before_colon"},
      {"Transfer-Encoding with a tab before the colon",
       connect_with("Transfer-Encoding\t: chunked\r\n"), "space_before_colon"},
      {"Content-Length folded into a value", connect_with("X: y\r\n Content-Length: 5\r\n"),
       "folded_field"},
      {"Content-Length in HTTP/1.0", "CONNECT h:443 HTTP/1.0\r\nContent-Length: 5\r\n\r\n",
       "content_length"},
  };
  expect_connect_outcomes(rows);
}

TEST(ParseConnect, IsNotInfluencedByAnyOtherField) {
  for (const char* field :
       {"Expect: 100-continue", "Upgrade: h2c", "TE: trailers", "Keep-Alive: timeout=5",
        "Proxy-Connection: keep-alive", "Connection: close", "Connection: Connection",
        "Connection: Proxy-Status, Via", "Connection: Host", "Trailer: Host", "Max-Forwards: 0",
        "X-Forwarded-Host: evil", "Forwarded: host=evil", "Proxy-Authorization: Basic eDp5",
        "Content_Length: 5", "Transfer-Encodings: chunked"}) {
    EXPECT_EQ(connect_outcome(connect_with(field + "\r\n"s)), "h.example:443 1.1") << field;
  }
}

TEST(ParseConnect, SpeaksNoOtherMethodWhateverItsTargetLooksLike) {
  for (const char* start : {"GET /", "GET http://h.example/", "POST h.example:443", "OPTIONS *",
                            "connect h:443", "Connect h:443", "CONNECTX h:443", "CONNEC h:443",
                            "TRACE /", "PRI *", "GET u@h:1", "!#$%&'*+-.^_`|~ x"}) {
    EXPECT_EQ(connect_outcome(start + " HTTP/1.1\r\nHost: h\r\n\r\n"s), "method_unsupported")
        << start;
    EXPECT_EQ(connect_outcome(start + " HTTP/1.1\r\n\r\n"s), "method_unsupported") << start;
  }
}

TEST(ParseConnect, TakesTheAuthorityFormOnly) {
  const char* const rows[][2] = {
      {"http://h:443/", "target_form"},
      {"/", "target_form"},
      {"*", "target_form"},
      {"h:443/", "target_form"},
      {"h:443?q", "target_form"},
      {"h:443#f", "target_form"},
      {"u:p@h:443", "userinfo"},
      {"h", "missing_port"},
      {"h:", "missing_port"},
      {"h:0", "bad_port"},
      {"h:65536", "bad_port"},
      {"h:0443", "bad_port"},
      {"2130706433:443", "numeric_host"},
      {"[1.2.3.4]:443", "bad_ipv6"},
      {"[::1%25lo]:443", "bad_ipv6"},
      {"127%2e0.0.1:443", "bad_host_name"},
      {"\"localhost\":443", "bad_host_name"},
  };
  for (const auto& [target, word] : rows) {
    // Host repeats the target: agreement does not make a bad one good.
    const std::string head = "CONNECT "s + target + " HTTP/1.1\r\nHost: " + target + "\r\n\r\n";
    EXPECT_EQ(connect_outcome(head), word) << target;
  }
}

TEST(ParseConnect, RefusesWhatTheReaderRefusesAndWhatIsNotExactlyOneHead) {
  const std::string good = connect_with("");
  ASSERT_EQ(connect_outcome(good), "h.example:443 1.1");
  EXPECT_EQ(connect_outcome(""), "bad_request_line");
  EXPECT_EQ(connect_outcome(good.substr(0, good.size() - 1)), "bad_request_line");
  EXPECT_EQ(connect_outcome(good + "x"), "bad_request_line");
  EXPECT_EQ(connect_outcome("\r\n\r\n" + good), "bad_request_line");
  EXPECT_EQ(connect_outcome(connect_with("A: \0\r\n"s)), "forbidden_byte");
  EXPECT_EQ(connect_outcome(connect_with("A: b\nContent-Length: 5\r\n")), "bad_line_ending");
  EXPECT_EQ(parse_connect(good, {good.size() - 1, 100}).error().code, Code::kHeadTooLarge);
  EXPECT_EQ(parse_connect(good, {good.size(), 0}).error().code, Code::kTooManyFields);
}

std::string get_outcome(const std::string& head) {
  const auto request = parse_get(head, HeadLimits{});
  if (!request) return std::string(facts(request.error().code).word);
  return request->method + " " + request->path + (request->head ? " (head)" : "") + " at '" +
         request->host + "'";
}

TEST(ParseGet, TakesOriginFormWithoutABody) {
  const std::string host = " HTTP/1.1\r\nHost: Localhost:3129\r\n";
  const Row rows[] = {
      {"GET", "GET /metrics" + host + "\r\n", "GET /metrics at 'localhost'"},
      {"a query stays in the path", "GET /a?b=c%20d" + host + "\r\n",
       "GET /a?b=c%20d at 'localhost'"},
      {"HEAD", "HEAD /" + host + "\r\n", "HEAD / (head) at 'localhost'"},
      {"POST without a length", "POST /drain" + host + "\r\n", "POST /drain at 'localhost'"},
      {"POST with a length of zero", "POST /drain" + host + "Content-Length: 0\r\n\r\n",
       "POST /drain at 'localhost'"},
      {"HTTP/1.0 without Host", "GET / HTTP/1.0\r\n\r\n", "GET / at ''"},
      {"a name that was rebound", "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
       "GET / at 'evil.example'"},
      {"an IPv6 Host", "GET / HTTP/1.1\r\nHost: [::1]:3129\r\n\r\n", "GET / at '::1'"},
      {"no Host", "GET / HTTP/1.1\r\n\r\n", "missing_host"},
      {"two Hosts", "GET /" + host + "Host: localhost\r\n\r\n", "duplicate_host"},
      {"a bad Host", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "bad_host"},
      {"another method", "DELETE /" + host + "\r\n", "method_unsupported"},
      {"a method in small letters", "get /" + host + "\r\n", "method_unsupported"},
      {"CONNECT", "CONNECT h:443" + host + "\r\n", "method_unsupported"},
      {"absolute form", "GET http://localhost:3129/" + host + "\r\n", "target_form"},
      {"asterisk form", "GET *" + host + "\r\n", "target_form"},
      {"authority form", "GET localhost:3129" + host + "\r\n", "target_form"},
      {"a fragment", "GET /#x" + host + "\r\n", "target_form"},
      {"a body", "POST /" + host + "Content-Length: 1\r\n\r\n", "content_length"},
      {"a length with two zeros", "POST /" + host + "Content-Length: 00\r\n\r\n", "content_length"},
      {"an empty length", "POST /" + host + "Content-Length:\r\n\r\n", "content_length"},
      {"two lengths of zero", "POST /" + host + "Content-Length: 0\r\ncontent-length: 0\r\n\r\n",
       "content_length"},
      {"a transfer coding", "POST /" + host + "Transfer-Encoding: identity\r\n\r\n",
       "transfer_encoding"},
      {"a lone LF", "GET /" + host + "A: b\n\r\n", "bad_line_ending"},
  };
  for (const Row& row : rows) EXPECT_EQ(get_outcome(row.head), row.outcome) << row.what;
}

TEST(SketchRequestLine, ShowsMethodAndTargetAsFarAsALogCanBearThem) {
  struct {
    const char* what;
    std::string received;
    std::string method;
    std::string target;
  } const cases[] = {
      {"a good line", "CONNECT h:443 HTTP/1.1\r\n", "CONNECT", "h:443"},
      {"an empty line before it", "\r\nCONNECT h:443 HTTP/1.1\r\n", "CONNECT", "h:443"},
      {"half a line", "CONNECT h:4", "CONNECT", "h:4"},
      {"a method alone", "CONN", "CONN", ""},
      {"nothing", "", "", ""},
      {"a lone LF", "GET /x\nHost: secret\r\n", "GET", "/x"},
      {"an SSH banner", "SSH-2.0-OpenSSH_9.2p1 Debian\r\n", "SSH-2.0-OpenSSH_9.2p1", "Debian"},
      {"a ClientHello", "\x16\x03\x01\x02 x", "", ""},
      {"a NUL in the method", "CON\0NECT h:443"s, "", ""},
      {"obs-text in the method", "CON\xff h:443", "", ""},
      {"a NUL in the target", "CONNECT h\0evil:443 HTTP/1.1"s, "CONNECT", "h"},
      {"UTF-8 in the target", "CONNECT b\xc3\xbc.example:443 HTTP/1.1", "CONNECT", "b"},
      {"an escape sequence for terminals", "CONNECT h\x1b[2J HTTP/1.1", "CONNECT", "h"},
      {"a password", "CONNECT user:secret@h:443 HTTP/1.1", "CONNECT", "h:443"},
      {"a password with odd bytes", "CONNECT user:s\xc3\xbc@h:443 HTTP/1.1", "CONNECT", "h:443"},
      {"a password in a URL", "GET http://user:secret@h/x HTTP/1.1", "GET", "h/x"},
      {"a password far from its host", "CONNECT " + std::string(600, 'p') + "@h:1 HTTP/1.1",
       "CONNECT", "h:1"},
      {"a long method", std::string(40, 'M') + " h:443", std::string(32, 'M'), "h:443"},
      {"a long target", "GET /" + std::string(600, 'a'), "GET", "/" + std::string(511, 'a')},
      {"a space first", " CONNECT h:443", "", "CONNECT"},
  };
  for (const auto& row : cases) {
    const RequestLine sketch = sketch_request_line(row.received);
    EXPECT_EQ(sketch.method, row.method) << row.what;
    EXPECT_EQ(sketch.target, row.target) << row.what;
  }
}

std::string host_outcome(const std::string& head) {
  const auto host = parse_host_of_request(head, HeadLimits{});
  if (!host) return std::string(facts(host.error().code).word);
  if (!*host) return "none";
  return (*host)->host + ((*host)->port ? ":" + std::to_string(*(*host)->port) : "");
}

TEST(ParseHostOfRequest, TakesTheHostOfWhatIsSentToAnOrigin) {
  EXPECT_EQ(host_outcome("GET /a?b HTTP/1.1\r\nHost: A.example\r\n\r\n"), "a.example");
  EXPECT_EQ(host_outcome("POST / HTTP/1.1\r\nHost: a.example:8080\r\nContent-Length: 1\r\n\r\n"),
            "a.example:8080");
  EXPECT_EQ(host_outcome("OPTIONS * HTTP/1.1\r\nHost: [2001:db8::1]\r\n\r\n"), "2001:db8::1");
  EXPECT_EQ(host_outcome("GET / HTTP/1.0\r\n\r\n"), "none");
}

TEST(ParseHostOfRequest, RefusesWhatCouldNameTwoHosts) {
  EXPECT_EQ(host_outcome("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), "duplicate_host");
  EXPECT_EQ(host_outcome("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n"), "target_form");
  EXPECT_EQ(host_outcome("CONNECT b:443 HTTP/1.1\r\nHost: a\r\n\r\n"), "target_form");
  EXPECT_EQ(host_outcome("GET / HTTP/1.1\r\n\r\n"), "missing_host");
  EXPECT_EQ(host_outcome("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), "bad_host");
  EXPECT_EQ(host_outcome("GET / HTTP/1.1\r\nHost: a\r\n"), "bad_request_line") << "incomplete";
}

}  // namespace
}  // namespace penstock::http
