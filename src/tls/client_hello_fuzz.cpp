// The reader of strangers' first bytes. Beyond memory safety: the answer does not depend on how the
// bytes arrive (every prefix) nor on how TLS cuts them into records. What was read has a
// fingerprint.
#include <algorithm>
#include <array>
#include <vector>

#include "base/check.h"
#include "tls/client_hello.h"
#include "tls/ja4.h"

namespace {

using penstock::tls::ClientHello;
using penstock::tls::HelloStep;
using penstock::tls::ja4;
using penstock::tls::kClientHelloBytesMax;
using penstock::tls::read_client_hello;
using Bytes = std::span<const uint8_t>;

std::array<uint8_t, kClientHelloBytesMax> scratch;
std::array<uint8_t, kClientHelloBytesMax> other_scratch;

bool same(const ClientHello& a, const ClientHello& b) {
  return a.sni == b.sni && a.alpn == b.alpn && a.ech == b.ech && a.version == b.version &&
         std::ranges::equal(a.cipher_suites, b.cipher_suites) &&
         std::ranges::equal(a.extensions, b.extensions);
}

void check_fingerprint(const ClientHello& hello) {
  const std::string fingerprint = ja4(hello);
  PENSTOCK_CHECK(fingerprint.size() == 36 && fingerprint[0] == 't');
  PENSTOCK_CHECK(fingerprint[10] == '_' && fingerprint[23] == '_');
  PENSTOCK_CHECK(std::ranges::all_of(fingerprint, [](char c) { return c > 0x20 && c < 0x7f; }));
}

// Once it is not kNeedMore, the answer stays what it is.
void check_prefixes(Bytes data, HelloStep last, const ClientHello& whole) {
  // Every prefix of a small input; of a large one, steps that keep the work linear enough.
  const size_t step = 1 + data.size() / 1024;
  for (size_t size = 0; size <= data.size(); size += step) {
    ClientHello hello;
    const HelloStep answer = read_client_hello(data.first(size), other_scratch, &hello);
    if (answer == HelloStep::kNeedMore) continue;
    PENSTOCK_CHECK(answer == last);
    PENSTOCK_CHECK(same(hello, whole));
  }
}

// The same handshake bytes with one record for each of them.
void check_one_byte_records(Bytes data, HelloStep last, const ClientHello& whole) {
  std::vector<uint8_t> cut;
  size_t at = 0;
  while (data.size() - at > 5) {
    const size_t length = size_t{data[at + 3]} << 8 | data[at + 4];
    if (data[at] != 22 || data[at + 1] != 3 || length == 0 || length > 1 << 14) break;
    at += 5;
    for (const size_t end = std::min(data.size(), at + length); at < end; ++at) {
      cut.insert(cut.end(), {22, 3, 1, 0, 1, data[at]});
    }
  }
  // Cut like this it may no longer fit; then the answers may differ.
  if (cut.empty() || cut.size() >= kClientHelloBytesMax || data.size() >= kClientHelloBytesMax) {
    return;
  }
  ClientHello hello;
  const HelloStep answer = read_client_hello(cut, other_scratch, &hello);
  // The handshake bytes had an answer of their own: records play no part in it.
  if (answer != HelloStep::kNeedMore) PENSTOCK_CHECK(answer == last);
  if (last == HelloStep::kComplete) PENSTOCK_CHECK(answer == last);
  PENSTOCK_CHECK(same(hello, whole));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const Bytes data(bytes, size);
  ClientHello hello;
  const HelloStep answer = read_client_hello(data, scratch, &hello);
  if (answer == HelloStep::kNotTls) PENSTOCK_CHECK(size > 0 && bytes[0] != 22);
  if (answer == HelloStep::kComplete) {
    PENSTOCK_CHECK(bytes[0] == 22);
    check_fingerprint(hello);
  }
  PENSTOCK_CHECK(answer == HelloStep::kComplete || same(hello, ClientHello()));
  PENSTOCK_CHECK(answer != HelloStep::kNeedMore || size < kClientHelloBytesMax);
  check_prefixes(data, answer, hello);
  if (answer != HelloStep::kNotTls) check_one_byte_records(data, answer, hello);
  return 0;
}
