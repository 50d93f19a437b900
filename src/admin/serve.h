// The admin listener: /metrics, /capacity, /healthz, /readyz. A small HTTP/1.1 server on the main
// loop, with the proxy's own strict head parser; one request per connection, no state to change.
// Thread: the main loop's.   Limits: 64 connections at a time, 5 s each, heads of 8 KiB.
#pragma once

#include <string>

#include "admin/controls.h"
#include "base/time.h"
#include "loop/loop.h"
#include "loop/task.h"
#include "sys/fd.h"

namespace penstock::admin {

class AdminServer {
 public:
  // `patience`: for one request and its answer.
  AdminServer(loop::Loop& loop, Controls& controls, sys::Fd listener,
              Duration patience = std::chrono::seconds(5));

 private:
  bool is_our_name(const std::string& host) const;
  loop::RootTask accept_all();
  loop::RootTask answer(sys::Fd fd);

  loop::Loop& loop_;
  Controls& controls_;
  const Duration patience_;
  sys::Fd listener_;
  loop::Source source_;
  bool loopback_ = false;
  size_t open_ = 0;
  loop::TaskSet tasks_;
};

}  // namespace penstock::admin
