// For tests: a name server on a loopback port, UDP and TCP, that does what a script says.
// It has a thread of its own; the script runs there. Each question wakes the loop, so that a test
// can wait for questions as it waits for answers.
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/ip.h"
#include "dns/channel.h"
#include "dns/message.h"
#include "dns/scripted_messages.h"
#include "loop/loop.h"
#include "sys/fd.h"

namespace penstock::dns::scripted {

struct Question {
  std::string name;  // as it was written
  RecordType type;
  uint16_t id;
  uint16_t port;  // of the asker
  bool tcp;
  bool edns;

  Writer reply(Flags flags = {}) const { return Writer(id, name, type, flags); }
};

// What to send back, in order; nothing is silence.
using Script = std::function<std::vector<Message>(const Question&)>;

class Server {
 public:
  Server(loop::Loop& loop, Script script);
  ~Server();

  Endpoint endpoint() const { return endpoint_; }
  void follow(Script script);
  std::vector<Question> questions() const;
  size_t count() const { return questions().size(); }

 private:
  void run();
  void serve_udp();
  void serve_tcp();
  std::vector<Message> play(std::span<const uint8_t> query, uint16_t port, bool tcp);

  loop::Loop& loop_;
  Endpoint endpoint_;
  sys::Fd udp_;
  sys::Fd tcp_;
  sys::Fd stop_;
  mutable std::mutex mutex_;
  Script script_;                    // guarded by mutex_
  std::vector<Question> questions_;  // guarded by mutex_
  std::thread thread_;
};

// Answers for every name; an empty text is "no data".
Script addresses(std::string v4, std::string v6, uint32_t ttl = 60);
Script rcode(int code);
Script silence();

}  // namespace penstock::dns::scripted
