// A Task that runs beside its owner instead of being awaited: a dial that goes on while the owner
// also watches its client.
//
//   Alongside<Result<int>> work(loop, child());
//   while (!work.done()) {
//     co_await Wait(loop).on(client.source(), kReadable).until(timer).until_done(work);
//     ...
//   }
//   Result<int> answer = work.take();
//
// The child runs until it first waits before the constructor returns, and may be done by then. When
// it ends later it wakes the owner through the loop's list of ready coroutines: the owner goes on
// in that turn or the next, never from inside the child. Destroying an Alongside cancels the child.
//
// Thread: the loop's.   Lifetime: a local of the owner's frame; the loop outlives it.
// Cost: one frame besides the child's, given back with it when the child ends.
#pragma once

#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include "base/check.h"
#include "loop/loop.h"
#include "loop/task.h"

namespace penstock::loop {

// What Wait::until_done() needs to know of an Alongside, whatever its type.
class AlongsideBase {
 public:
  AlongsideBase() = default;
  AlongsideBase(const AlongsideBase&) = delete;
  AlongsideBase& operator=(const AlongsideBase&) = delete;

  bool done() const { return done_; }

 protected:
  ~AlongsideBase();
  void finish();

 private:
  friend class Waiter;
  Waiter* waiter_ = nullptr;  // of the owner, while it waits
  bool done_ = false;
};

template <class T>
class [[nodiscard]] Alongside : public AlongsideBase {
 public:
  Alongside(Loop&, Task<T> child) { running_.start(run(this, std::move(child))); }
  // Cancels while the result, which a child might still write, is alive.
  ~Alongside() { running_.end_all(); }

  // What the child returned; once, after done().
  T take() {
    PENSTOCK_CHECK(done() && result_);
    auto result = *std::exchange(result_, std::nullopt);
    if constexpr (!std::is_void_v<T>) return result;
  }

 private:
  using Stored = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

  static RootTask run(Alongside* self, Task<T> child) {
    if constexpr (std::is_void_v<T>) {
      co_await std::move(child);
      self->result_.emplace();
    } else {
      self->result_.emplace(co_await std::move(child));
    }
    child = Task<T>();  // done means that the child's locals have given everything back
    self->finish();
  }

  std::optional<Stored> result_;
  TaskSet running_;
};

}  // namespace penstock::loop
