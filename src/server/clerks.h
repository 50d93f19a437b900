// The threads that check credentials at the identity::Desk, so that no loop does, and the one that
// asks for it elsewhere. They run at a lower priority than the workers: while many log in at once,
// tunnels go first.
// Thread: the main one.
#pragma once

#include <thread>
#include <vector>

#include "config/config.h"
#include "identity/desk.h"
#include "loop/loop.h"
#include "loop/task.h"

namespace penstock::server {

class Clerks {
 public:
  explicit Clerks(identity::Desk& desk) : desk_(desk) {}
  Clerks(const Clerks&) = delete;
  Clerks& operator=(const Clerks&) = delete;
  ~Clerks() { dismiss(); }

  // Makes them, once, if `config` takes credentials: as many as there are CPUs, up to four, since
  // each may need 16 MiB for a yescrypt hash. Has the desk follow the keys of `config`.
  void staff(const config::Config& config);
  // Looks once a second whether files of users, groups or keys have changed, which is no reason for
  // a reload. `config`: the one in force, looked at anew each time. Goes on until it is ended.
  static loop::RootTask follow_files(loop::Loop& loop, const config::Snapshot& config);
  // Closes the desk and waits for what they are at.
  void dismiss();

 private:
  identity::Desk& desk_;
  std::vector<std::thread> threads_;
  std::thread outside_;
};

}  // namespace penstock::server
