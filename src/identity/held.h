// A value that many threads read while one puts another in its place.
// Thread: any.   Cost: a short lock and a counted pointer.
#pragma once

#include <memory>
#include <mutex>
#include <utility>

namespace penstock::identity {

template <class T>
class Held {
 public:
  explicit Held(std::shared_ptr<const T> value) : value_(std::move(value)) {}

  std::shared_ptr<const T> get() const {
    const std::lock_guard lock(mutex_);
    return value_;
  }
  void set(std::shared_ptr<const T> value) {
    const std::lock_guard lock(mutex_);
    value_ = std::move(value);
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const T> value_;  // guarded by mutex_
};

}  // namespace penstock::identity
