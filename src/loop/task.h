// Task<T>: a coroutine with one owner. Nothing runs until it is awaited, and destroying it
// cancels it: every local in the frame gives back what it holds. There is no other cancellation.
//
//   Task<Result<int>> child();
//   auto answer = co_await child();
//
// RootTask: the outermost coroutine of one activity, owned by a TaskSet instead of an awaiter.
// It removes itself when it ends; end() cancels it from outside.
//
// Thread: the loop's.   Cost: one frame per call; resuming is a tail call, so a long chain of
// coroutines that finish at once does not grow the stack (task_test.cpp).
// Exceptions do not cross a coroutine: one that escapes aborts.
#pragma once

#include <coroutine>
#include <cstdlib>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/list.h"
#include "loop/frame.h"

// clang may place a child's frame inside its caller's, where it stays for as long as the caller
// lives: without this, an established tunnel carried every local of its set-up (3 KiB) to its end.
// A coroutine marked so has a frame of its own, which is gone when it ends.
#define PENSTOCK_OWN_FRAME [[gnu::noinline]]

namespace penstock::loop {

template <class T>
class Task;

namespace internal {

struct FinalAwaiter {
  bool await_ready() noexcept { return false; }
  template <class Promise>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> ended) noexcept {
    return ended.promise().continuation;
  }
  void await_resume() noexcept {}
};

struct PromiseBase : CountedFrame {
  std::suspend_always initial_suspend() noexcept { return {}; }
  FinalAwaiter final_suspend() noexcept { return {}; }
  [[noreturn]] void unhandled_exception() noexcept { std::abort(); }

  std::coroutine_handle<> continuation = std::noop_coroutine();
};

template <class T>
struct Promise : PromiseBase {
  Task<T> get_return_object();
  template <class U>
  void return_value(U&& value) {
    result.emplace(std::forward<U>(value));
  }
  T take() { return std::move(*result); }

  std::optional<T> result;
};

template <>
struct Promise<void> : PromiseBase {
  Task<void> get_return_object();
  void return_void() {}
  void take() {}
};

}  // namespace internal

template <class T = void>
class [[nodiscard]] Task {
 public:
  using promise_type = internal::Promise<T>;

  Task() = default;
  explicit Task(std::coroutine_handle<promise_type> frame) : frame_(frame) {}
  Task(Task&& other) noexcept : frame_(std::exchange(other.frame_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    if (this != &other) {
      drop();
      frame_ = std::exchange(other.frame_, nullptr);
    }
    return *this;
  }
  ~Task() { drop(); }

  explicit operator bool() const { return frame_ != nullptr; }

  auto operator co_await() && noexcept {
    struct Awaiter {
      std::coroutine_handle<promise_type> frame;
      bool await_ready() noexcept { return false; }
      std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiting) noexcept {
        frame.promise().continuation = awaiting;
        return frame;
      }
      T await_resume() { return frame.promise().take(); }
    };
    PENSTOCK_CHECK(frame_);
    return Awaiter{frame_};
  }

 private:
  void drop() {
    if (frame_) std::exchange(frame_, nullptr).destroy();
  }

  std::coroutine_handle<promise_type> frame_;
};

namespace internal {

template <class T>
Task<T> Promise<T>::get_return_object() {
  return Task<T>(std::coroutine_handle<Promise>::from_promise(*this));
}
inline Task<void> Promise<void>::get_return_object() {
  return Task<void>(std::coroutine_handle<Promise>::from_promise(*this));
}

}  // namespace internal

class RootTask {
 public:
  struct promise_type : CountedFrame, ListNode {
    RootTask get_return_object() {
      return RootTask(std::coroutine_handle<promise_type>::from_promise(*this));
    }
    std::suspend_always initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }  // ends: the frame frees itself
    [[noreturn]] void unhandled_exception() noexcept { std::abort(); }
    void return_void() {}

    // Cancels the task from outside. It must be suspended: a task cannot end itself this way.
    void end() { std::coroutine_handle<promise_type>::from_promise(*this).destroy(); }
  };

  RootTask(RootTask&& other) noexcept : frame_(std::exchange(other.frame_, nullptr)) {}
  RootTask& operator=(RootTask&&) = delete;
  ~RootTask() {
    if (frame_) frame_.destroy();
  }

 private:
  friend class TaskSet;
  explicit RootTask(std::coroutine_handle<promise_type> frame) : frame_(frame) {}
  std::coroutine_handle<promise_type> frame_;
};

// Inside a RootTask: `RootTask::promise_type& self = co_await ThisTask{};`
struct ThisTask {
  RootTask::promise_type* self = nullptr;
  bool await_ready() noexcept { return false; }
  bool await_suspend(std::coroutine_handle<RootTask::promise_type> frame) noexcept {
    self = &frame.promise();
    return false;
  }
  RootTask::promise_type& await_resume() noexcept { return *self; }
};

// Owns running RootTasks; destroying the set cancels those that are left.
class TaskSet {
 public:
  TaskSet() = default;
  TaskSet(const TaskSet&) = delete;
  TaskSet& operator=(const TaskSet&) = delete;
  ~TaskSet() { end_all(); }

  // Runs `task` until it first waits.
  void start(RootTask task) {
    const auto frame = std::exchange(task.frame_, nullptr);
    tasks_.push_back(frame.promise());
    frame.resume();
  }
  bool empty() const { return tasks_.empty(); }
  void end_all() {
    while (!tasks_.empty()) tasks_.front().end();
  }

 private:
  List<RootTask::promise_type> tasks_;
};

}  // namespace penstock::loop
