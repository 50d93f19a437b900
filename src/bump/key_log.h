// For debugging alone: the secrets of inspected TLS, as Wireshark reads them (the format of
// SSLKEYLOGFILE). Whoever has the file and a recording of the traffic reads all of it; so it is
// made for its owner alone, and said to be there whenever the proxy starts.
// Thread: any; a line is one write.   Lifetime: longer than the contexts that follow it.
#pragma once

#include <memory>

#include "base/fault.h"
#include "sys/fd.h"
#include "tls/owned.h"

namespace penstock::bump {

class KeyLog {
 public:
  // Appends to `file`. Null: there were faults.
  static std::shared_ptr<const KeyLog> open(const Located<std::string>& file, Faults& faults);
  explicit KeyLog(sys::Fd file) : file_(std::move(file)) {}

  // From here on it has the secrets of all sessions of `context`.
  void follow(SSL_CTX* context) const;

 private:
  static void on_line(const SSL* ssl, const char* line);

  sys::Fd file_;
};

}  // namespace penstock::bump
