// What the kernel has refused of TLS, so that it is not asked for each tunnel: as root, each
// question would look for its module (tls) anew. Thread: any.
#pragma once

#include <atomic>
#include <cstdint>

#include "sys/kernel_tls.h"

namespace penstock::tls {

class KernelOffer {
 public:
  using Cipher = sys::kernel_tls::Cipher;

  bool stands(Cipher cipher) const {
    return (withdrawn_.load(std::memory_order_relaxed) & (kAll | bit_of(cipher))) == 0;
  }
  // Of all ciphers, or of one. Whether that is news.
  bool withdraw() { return withdraw(kAll); }
  bool withdraw(Cipher cipher) { return withdraw(bit_of(cipher)); }

 private:
  static constexpr uint32_t kAll = 1;
  static uint32_t bit_of(Cipher cipher) { return uint32_t{2} << (static_cast<int>(cipher) % 16); }
  bool withdraw(uint32_t bit) {
    return (withdrawn_.fetch_or(bit, std::memory_order_relaxed) & bit) == 0;
  }
  std::atomic<uint32_t> withdrawn_{0};
};

}  // namespace penstock::tls
