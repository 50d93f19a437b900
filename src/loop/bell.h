// One announcement from any thread to one coroutine of this loop, which waits until it comes or a
// timer fires:
//
//   Bell bell(loop);
//   start_something(bell.ringer());
//   co_await bell.wait(timer);
//
// Thread: the loop's, but the ringer, which may be called on any and outlive the Bell: a late ring
// is a letter that finds nobody.   Cost: one allocation; a ring is one letter.
#pragma once

#include <functional>
#include <memory>

#include "loop/loop.h"

namespace penstock::loop {

class Bell {
 public:
  explicit Bell(Loop& loop) : loop_(loop), rung_(std::make_shared<Event>(loop)) {}

  std::move_only_function<void()> ringer() {
    return [&mailbox = loop_.mailbox(), rung = std::weak_ptr(rung_)] {
      mailbox.post([rung] {
        if (const auto event = rung.lock()) event->notify_all();
      });
    };
  }
  // The letter arrives in a later turn, so nothing that was rung before this is missed.
  Event::Awaiter wait(Timer& timer) { return rung_->wait(timer); }

 private:
  Loop& loop_;
  std::shared_ptr<Event> rung_;
};

}  // namespace penstock::loop
