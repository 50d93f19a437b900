// A fuzz target with a bug on purpose: it writes past a heap block when it sees its seed. The
// test that replays the seed must fail; if it passes, the sanitizers are not looking.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 4 || std::memcmp(data, "bird", 4) != 0) return 0;
  auto block = std::make_unique<uint8_t[]>(4);
  volatile size_t beyond = size;  // the seed is longer than the block
  block[beyond] = 1;
  return block[0];
}
