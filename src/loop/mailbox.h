// Letters from other threads: the only shared queue of a loop. A letter is a function that the
// loop's thread runs.
// Thread: post() any; the rest the loop's.   Cost: a lock and, for the first letter since the
// loop last looked, one write to an eventfd.
#pragma once

#include <functional>
#include <mutex>
#include <vector>

#include "sys/fd.h"

namespace penstock::loop {

class Mailbox {
 public:
  using Letter = std::move_only_function<void()>;

  Mailbox();

  void post(Letter letter);

  int fd() const { return wakeup_.get(); }
  // Runs every letter posted so far, in order.
  void open_all();

 private:
  sys::Fd wakeup_;
  std::mutex mutex_;
  std::vector<Letter> letters_;  // guarded by mutex_
};

}  // namespace penstock::loop
