// The line of version 1. Every input is read as if its start were right, so that mutation is spent
// on what follows. Seeds: fuzz/corpus/proxy_v1, which are what follows.
#include <vector>

#include "announce/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto start = penstock::bytes_of("PROXY ");
  std::vector<uint8_t> header(start.begin(), start.end());
  header.insert(header.end(), data, data + size);
  penstock::announce::judge_header(header);
  penstock::announce::judge_header({data, size});
  return 0;
}
