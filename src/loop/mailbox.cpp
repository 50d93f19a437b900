#include "loop/mailbox.h"

#include <unistd.h>

#include <cstdint>
#include <utility>

#include "base/check.h"
#include "sys/calls.h"

namespace penstock::loop {

Mailbox::Mailbox() : wakeup_(sys::calls::eventfd()) {
  PENSTOCK_CHECK(wakeup_);
}

void Mailbox::post(Letter letter) {
  const std::lock_guard lock(mutex_);
  letters_.push_back(std::move(letter));
  if (letters_.size() > 1) return;  // the loop has been woken and has not looked yet
  const uint64_t one = 1;
  // Fails only with EAGAIN, when the counter is near its maximum: the loop is awake then.
  (void)!::write(wakeup_.get(), &one, sizeof(one));
}

void Mailbox::open_all() {
  // Before the letters are taken: one that comes in between wakes the loop once more for nothing,
  // and none is left lying with the loop asleep.
  uint64_t count = 0;
  (void)!::read(wakeup_.get(), &count, sizeof(count));  // EAGAIN: nobody wrote since
  std::vector<Letter> letters;
  {
    const std::lock_guard lock(mutex_);
    letters.swap(letters_);
  }
  for (Letter& letter : letters) letter();
}

}  // namespace penstock::loop
