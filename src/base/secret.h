// Text that must not outlive its use: a password, a token. Wiped when it goes.
// Lifetime: owns its bytes, in one place: moving it leaves no copy behind.
#pragma once

#include <string.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace penstock {

inline void wipe(std::string& text) {
  ::explicit_bzero(text.data(), text.size());
  text.clear();
}

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string_view text)
      : bytes_(std::make_unique_for_overwrite<char[]>(text.size())), size_(text.size()) {
    std::ranges::copy(text, bytes_.get());
  }
  Secret(Secret&& other) noexcept
      : bytes_(std::move(other.bytes_)), size_(std::exchange(other.size_, 0)) {}
  Secret& operator=(Secret&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Secret() {
    if (bytes_) ::explicit_bzero(bytes_.get(), size_);
  }

  std::string_view view() const { return {bytes_.get(), size_}; }

 private:
  std::unique_ptr<char[]> bytes_;
  size_t size_ = 0;
};

}  // namespace penstock
