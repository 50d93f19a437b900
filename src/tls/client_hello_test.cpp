#include "tls/client_hello.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "base/random.h"

namespace penstock::tls {
namespace {

using Buffer = std::vector<uint8_t>;

Buffer number(size_t value, size_t width) {
  Buffer out;
  for (size_t i = width; i-- > 0;) out.push_back(static_cast<uint8_t>(value >> (8 * i)));
  return out;
}

Buffer operator+(Buffer a, const Buffer& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

Buffer bytes(std::string_view text) {
  return {text.begin(), text.end()};
}
Buffer vector(const Buffer& content, size_t width) {
  return number(content.size(), width) + content;
}

Buffer extension(size_t type, const Buffer& body) {
  return number(type, 2) + vector(body, 2);
}
Buffer name_entry(std::string_view name, size_t type = 0) {
  return number(type, 1) + vector(bytes(name), 2);
}
Buffer server_name(std::string_view name) {
  return extension(0, vector(name_entry(name), 2));
}
Buffer alpn(std::initializer_list<std::string_view> protocols) {
  Buffer list;
  for (const auto protocol : protocols) list = list + vector(bytes(protocol), 1);
  return extension(16, vector(list, 2));
}

// A ClientHello in the making; every field can be made wrong.
struct Builder {
  size_t version = 0x0303;
  Buffer session_id = Buffer(32, 0xaa);
  Buffer cipher_suites = {0x13, 0x01, 0x13, 0x02};
  Buffer compression_methods = {0};
  Buffer extensions;

  Buffer body() const {
    return number(version, 2) + Buffer(32, 0x55) + vector(session_id, 1) +
           vector(cipher_suites, 2) + vector(compression_methods, 1) + vector(extensions, 2);
  }
  Buffer handshake() const { return Buffer{1} + vector(body(), 3); }
};

// Records of at most `size` bytes each.
Buffer records(const Buffer& handshake, size_t size = 1 << 14) {
  Buffer out;
  for (size_t at = 0; at < handshake.size(); at += size) {
    const size_t end = std::min(handshake.size(), at + size);
    const auto begin = handshake.begin();
    out =
        out + Buffer{22, 3, 1} +
        vector(Buffer(begin + static_cast<ptrdiff_t>(at), begin + static_cast<ptrdiff_t>(end)), 2);
  }
  return out;
}

Buffer with_extensions(const Buffer& extensions) {
  Builder builder;
  builder.extensions = extensions;
  return records(builder.handshake());
}

struct Answer {
  HelloStep step;
  std::string sni;
  std::string alpn;
  bool ech;
  friend bool operator==(const Answer&, const Answer&) = default;
};

Answer read(std::span<const uint8_t> received) {
  // On the heap and of exact size, so that ASan sees a byte read too far.
  const Buffer exact(received.begin(), received.end());
  Buffer scratch(kClientHelloBytesMax);
  ClientHello hello;
  const HelloStep step = read_client_hello(exact, scratch, &hello);
  return {step, std::string(hello.sni), std::string(hello.alpn), hello.ech};
}

const Answer kMore{HelloStep::kNeedMore, "", "", false};
const Answer kBad{HelloStep::kMalformed, "", "", false};

Buffer from_hex(std::string_view hex) {
  Buffer out;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    out.push_back(static_cast<uint8_t>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  }
  return out;
}

// As OpenSSL 3.0 sends it for api.example.com with ALPN h2, http/1.1; its padding (extension 21,
// 204 zero bytes) is appended by the code.
Buffer openssl_tls13() {
  const Buffer head = from_hex(
      "1603010200010001fc0303a3922830d5f94cb4836f9647e77d08f1a9e24929fda5109cbe3121b2f672af6020"
      "f9f8e0b147761f354bdfd9431ec1f6df17ab593cd711ce17399a0ec80c06076f0024130213031301c02cc030"
      "c02bc02fcca9cca8c024c028c023c027009f009e006b006700ff0100018f00000014001200000f6170692e65"
      "78616d706c652e636f6d000b000403000102000a00160014001d0017001e0019001801000101010201030104"
      "002300000010000e000c02683208687474702f312e310016000000170000000d002a00280403050306030807"
      "08080809080a080b080408050806040105010601030303010302040205020602002b00050403040303002d00"
      "020101003300260024001d002019768093b71642cf4d344491ce39f2b2bdf4126e121ffc99828a56e8e5ebdf"
      "78001500cc");
  return head + Buffer(0xcc, 0);
}

// As OpenSSL 3.0 sends it for TLS 1.2 without a server name.
Buffer openssl_tls12() {
  return from_hex(
      "160301009d010000990303a6cedb27294a4d7aefb8d55196d35a884219c94cf21ffc8ad175ac862b7aac6b00"
      "001ec02cc030c02bc02fcca9cca8c024c028c023c027009f009e006b006700ff01000052000b000403000102"
      "000a000c000a001d0017001e00190018002300000016000000170000000d002a002804030503060308070808"
      "0809080a080b080408050806040105010601030303010302040205020602");
}

TEST(ClientHello, IsReadAsOpenSslSendsIt) {
  EXPECT_EQ(read(openssl_tls13()), (Answer{HelloStep::kComplete, "api.example.com", "h2", false}));
}

TEST(ClientHello, MayLackAServerName) {
  EXPECT_EQ(read(openssl_tls12()), (Answer{HelloStep::kComplete, "", "", false}));
}

TEST(ClientHello, MayLackExtensionsAltogether) {
  Buffer body = Builder().body();
  body.resize(body.size() - 2);
  EXPECT_EQ(read(records(Buffer{1} + vector(body, 3))),
            (Answer{HelloStep::kComplete, "", "", false}));
}

TEST(ClientHello, IsUnfinishedAtEveryPrefixAndCompleteAtTheEnd) {
  const Buffer whole = openssl_tls13();
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_EQ(read(std::span(whole).first(size)), kMore) << size;
  }
}

TEST(ClientHello, ReadsTheSameHoweverItIsCutIntoRecords) {
  const Buffer whole = openssl_tls13();
  const Buffer handshake(whole.begin() + 5, whole.end());
  for (const size_t size : {1, 2, 3, 4, 5, 100, 511, 512, 513}) {
    const Buffer cut = records(handshake, size);
    EXPECT_EQ(read(cut), read(whole)) << size;
    for (size_t prefix = 0; prefix < cut.size(); ++prefix) {
      ASSERT_EQ(read(std::span(cut).first(prefix)), kMore) << size << " " << prefix;
    }
  }
}

TEST(ClientHello, BehindWhichBytesFollowIsComplete) {
  const Buffer whole = openssl_tls13();
  EXPECT_EQ(read(whole + Buffer{0x14, 3, 3, 0, 1, 1}), read(whole));
  EXPECT_EQ(read(whole + bytes("rubbish")), read(whole));
}

TEST(ClientHello, ViewsOfOneRecordPointIntoWhatWasReceived) {
  const Buffer whole = openssl_tls13();
  Buffer scratch(kClientHelloBytesMax);
  ClientHello hello;
  ASSERT_EQ(read_client_hello(whole, scratch, &hello), HelloStep::kComplete);
  const auto* name = reinterpret_cast<const uint8_t*>(hello.sni.data());
  EXPECT_TRUE(name > whole.data() && name < whole.data() + whole.size());
}

TEST(ClientHello, FirstByteDecidesWhetherItLooksLikeTls) {
  EXPECT_EQ(read({}), kMore);
  for (int first = 0; first < 256; ++first) {
    const Buffer one{static_cast<uint8_t>(first)};
    // A TLS record of any type, or the length of an SSL 2.0 message.
    const bool looks = (first >= 20 && first <= 24) || (first >= 0x80 && first < 0xc0);
    EXPECT_EQ(read(one).step, looks ? HelloStep::kNeedMore : HelloStep::kNotTls) << first;
  }
  EXPECT_EQ(read(bytes("SSH-2.0-OpenSSH_9.2\r\n")).step, HelloStep::kNotTls);
}

TEST(ClientHello, BehindARecordOfAnotherTypeIsMalformed) {
  for (const uint8_t type : Buffer{20, 21, 23, 24}) {
    EXPECT_EQ(read(Buffer{type, 3, 1, 0, 2, 1, 90} + openssl_tls13()).step, HelloStep::kMalformed)
        << int{type};
    EXPECT_EQ(read(Buffer{type, 'x'}).step, HelloStep::kNotTls) << int{type};
  }
}

TEST(ClientHello, InSsl2FormIsMalformed) {
  EXPECT_EQ(read(Buffer{0x80, 0x2e, 1, 3}).step, HelloStep::kMalformed);
  EXPECT_EQ(read(Buffer{0x80, 0x2e, 1}).step, HelloStep::kNeedMore);
  EXPECT_EQ(read(Buffer{0x80, 0x2e, 2}).step, HelloStep::kNotTls);
  EXPECT_EQ(read(Buffer{0x80, 0x2e, 1, 4}).step, HelloStep::kNotTls);
}

TEST(ClientHello, GreaseIsPassedOver) {
  Builder builder;
  builder.cipher_suites = Buffer{0x0a, 0x0a} + builder.cipher_suites;
  builder.extensions = extension(0x3a3a, {}) + server_name("a.example") + alpn({"\x1a\x1a", "h2"}) +
                       extension(0x4a4a, {0});
  EXPECT_EQ(read(records(builder.handshake())),
            (Answer{HelloStep::kComplete, "a.example", "\x1a\x1a", false}));
}

TEST(ClientHello, EncryptedClientHelloIsSeen) {
  EXPECT_EQ(read(with_extensions(server_name("cover.example") + extension(0xfe0d, {0, 1, 2}))),
            (Answer{HelloStep::kComplete, "cover.example", "", true}));
}

TEST(ClientHello, WithTwoServerNamesIsMalformed) {
  const Buffer two = vector(name_entry("a.example") + name_entry("b.example"), 2);
  EXPECT_EQ(read(with_extensions(extension(0, two))), kBad);
  EXPECT_EQ(read(with_extensions(server_name("a.example") + server_name("a.example"))), kBad);
}

TEST(ClientHello, WithAServerNameOfAnotherTypeIsMalformed) {
  EXPECT_EQ(read(with_extensions(extension(0, vector(name_entry("a.example", 1), 2)))), kBad);
}

TEST(ClientHello, WithAnEmptyServerNameIsMalformed) {
  EXPECT_EQ(read(with_extensions(server_name(""))), kBad);
  EXPECT_EQ(read(with_extensions(extension(0, vector({}, 2)))), kBad);
  EXPECT_EQ(read(with_extensions(extension(0, {}))), kBad);
}

TEST(ClientHello, WithAServerNameBeyond255BytesIsMalformed) {
  EXPECT_EQ(read(with_extensions(server_name(std::string(255, 'a')))).sni.size(), 255u);
  EXPECT_EQ(read(with_extensions(server_name(std::string(256, 'a')))), kBad);
}

TEST(ClientHello, WithLengthsThatDisagreeIsMalformed) {
  const Buffer entry = name_entry("a.example");
  EXPECT_EQ(read(with_extensions(extension(0, vector(entry, 2) + Buffer{0}))), kBad);
  EXPECT_EQ(read(with_extensions(extension(0, number(entry.size() + 1, 2) + entry))), kBad);
  EXPECT_EQ(read(with_extensions(number(0, 2) + number(100, 2) + entry)), kBad);
  EXPECT_EQ(read(with_extensions({0})), kBad);

  const Buffer body = Builder().body();
  EXPECT_EQ(read(records(Buffer{1} + vector(body + Buffer{0}, 3))), kBad);
  for (size_t size = 0; size < body.size(); ++size) {
    if (size == body.size() - 2) continue;  // no extensions: allowed
    const Buffer less(body.begin(), body.begin() + static_cast<ptrdiff_t>(size));
    EXPECT_EQ(read(records(Buffer{1} + vector(less, 3))), kBad) << size;
  }
}

TEST(ClientHello, WithMalformedAlpnIsMalformed) {
  EXPECT_EQ(read(with_extensions(alpn({"h2", "http/1.1"}))).alpn, "h2");
  EXPECT_EQ(read(with_extensions(alpn({}))), kBad);
  EXPECT_EQ(read(with_extensions(alpn({""}))), kBad);
  EXPECT_EQ(read(with_extensions(alpn({"h2", ""}))), kBad);
  EXPECT_EQ(read(with_extensions(extension(16, {0, 3, 9, 'h', '2'}))), kBad);
  EXPECT_EQ(read(with_extensions(alpn({"h2"}) + alpn({"h2"}))), kBad);
}

TEST(ClientHello, WithFieldsOutOfBoundsIsMalformed) {
  const auto broken = [](auto&& break_it) {
    Builder builder;
    break_it(builder);
    return read(records(builder.handshake()));
  };
  EXPECT_EQ(broken([](Builder&) {}).step, HelloStep::kComplete);
  EXPECT_EQ(broken([](Builder& b) { b.version = 0x0203; }), kBad);
  EXPECT_EQ(broken([](Builder& b) { b.session_id.push_back(0); }), kBad);
  EXPECT_EQ(broken([](Builder& b) { b.cipher_suites.clear(); }), kBad);
  EXPECT_EQ(broken([](Builder& b) { b.cipher_suites.push_back(0); }), kBad);
  EXPECT_EQ(broken([](Builder& b) { b.compression_methods.clear(); }), kBad);
}

TEST(ClientHello, InBrokenRecordsIsMalformed) {
  EXPECT_EQ(read(Buffer{22, 2}), kBad);              // not version 3.x
  EXPECT_EQ(read(Buffer{22, 3, 1, 0, 0}), kBad);     // an empty record
  EXPECT_EQ(read(Buffer{22, 3, 1, 0x40, 1}), kBad);  // longer than a record can be
  EXPECT_EQ(read(Buffer{22, 3, 1, 0, 1, 2}), kBad);  // a ServerHello
  const Buffer start = records(Buffer{1, 0, 1, 0, 3, 3}, 3);
  EXPECT_EQ(read(start), kMore);
  EXPECT_EQ(read(start + Buffer{21}), kBad);  // an alert amid the message
}

TEST(ClientHello, LargerThanTheBoundIsMalformedWithoutWaitingForIt) {
  const auto sized = [](size_t total) {
    const size_t fixed = with_extensions(extension(21, {})).size();
    return with_extensions(extension(21, Buffer(total - fixed, 0)));
  };
  EXPECT_EQ(read(sized(kClientHelloBytesMax)).step, HelloStep::kComplete);
  EXPECT_EQ(read(sized(kClientHelloBytesMax - 1)).step, HelloStep::kComplete);
  const Buffer large = sized(kClientHelloBytesMax + 1);
  EXPECT_EQ(read(std::span(large).first(9)), kBad);
  EXPECT_EQ(read(large), kBad);
}

TEST(ClientHello, RecordHeadersCountTowardsTheBound) {
  Builder builder;
  builder.extensions = extension(21, Buffer(4000, 0));
  const Buffer cut = records(builder.handshake(), 1);
  ASSERT_GT(cut.size(), kClientHelloBytesMax);
  EXPECT_EQ(read(records(builder.handshake(), 2)).step, HelloStep::kComplete);
  EXPECT_EQ(read(std::span(cut).first(kClientHelloBytesMax - 1)), kMore);
  EXPECT_EQ(read(std::span(cut).first(kClientHelloBytesMax)), kBad);
  EXPECT_EQ(read(cut), kBad);
}

TEST(ClientHello, WithAnyByteChangedNeverChangesItsMindLater) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  for (int round = 0; round < 300; ++round) {
    Buffer data = with_extensions(server_name("a.example") + alpn({"h2"}));
    data[random.below(data.size())] ^= static_cast<uint8_t>(1u << random.below(8));
    const Answer whole = read(data);
    for (size_t size = 0; size <= data.size(); ++size) {
      const Answer answer = read(std::span(data).first(size));
      if (answer != kMore) {
        ASSERT_EQ(answer, whole) << size;
      }
    }
  }
}

}  // namespace
}  // namespace penstock::tls
