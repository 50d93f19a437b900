// The binary header of version 2. Every input is read as it is, and once more as what follows a
// right start, with its length made right: mutation is spent on the values. Seeds:
// fuzz/corpus/proxy_v2, whole headers.
#include <vector>

#include "announce/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace std::string_view_literals;
  penstock::announce::judge_header({data, size});
  const auto start = penstock::bytes_of("\r\n\r\n\0\r\nQUIT\n\x21"sv);
  if (size < 1 || size > 4096) return 0;
  std::vector<uint8_t> header(start.begin(), start.end());
  header.push_back((data[0] & 1) != 0 ? 0x21 : 0x11);
  header.push_back(static_cast<uint8_t>((size - 1) >> 8));
  header.push_back(static_cast<uint8_t>(size - 1));
  header.insert(header.end(), data + 1, data + size);
  penstock::announce::judge_header(header);
  return 0;
}
