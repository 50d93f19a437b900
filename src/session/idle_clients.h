// Clients between two requests. They have no Connection: who asks nothing more has no log line for
// it. Each keeps its seat, and gives it up when it has been silent for `timeouts.keep_alive`, when
// seats or memory are short, and when the proxy drains. Thread: the worker's.   Lifetime: the
// worker's.
#pragma once

#include <cstddef>

#include "base/list.h"
#include "loop/task.h"

namespace penstock::session {

struct Arrival;
class Worker;

class IdleClients {
 public:
  explicit IdleClients(Worker& worker) : worker_(worker) {}
  IdleClients(const IdleClients&) = delete;
  IdleClients& operator=(const IdleClients&) = delete;
  ~IdleClients() { drop_all(); }

  // The next request on arrival.stream begins a Connection of its own; at once if its first bytes
  // are in arrival.early.
  void keep(Arrival arrival);

  void drop_all();
  // The same if seats or memory are short.
  void yield();
  size_t size() const { return size_; }

 private:
  // One that waits.
  struct Idle : ListNode {
    Idle(IdleClients& all, loop::RootTask::promise_type& task);
    ~Idle();
    IdleClients& clients;
    loop::RootTask::promise_type& root;
  };

  loop::RootTask wait(Arrival arrival);

  Worker& worker_;
  size_t size_ = 0;
  List<Idle> idle_;
  loop::TaskSet tasks_;
};

}  // namespace penstock::session
