// Accepts for one worker. Running out of descriptors never spins: one descriptor is kept back to
// take a client in, tell it 503 and let it go.
// Thread: the worker's.
#pragma once

#include "loop/loop.h"
#include "loop/task.h"
#include "session/worker.h"
#include "sys/fd.h"
#include "sys/socket.h"

namespace penstock::server {

class Listener {
 public:
  // `place`: in `listeners:`.
  Listener(session::Worker& worker, sys::Fd fd, uint16_t place);
  ~Listener();

  // Takes in whoever waits in the queue now: closing the socket would reset them.
  void accept_rest();

 private:
  void watch();
  loop::RootTask accept_all();
  sys::SysResult<int> accept_some(int batch);
  void shed_one();

  session::Worker& worker_;
  sys::Fd fd_;
  const uint16_t place_;
  loop::Source source_;
  sys::Fd reserve_;
  loop::TaskSet tasks_;
};

}  // namespace penstock::server
