// A kernel that has TLS, for machines whose own has none: libc's calls on sockets, with what Linux
// 6.1 does of TLS on top (the linker's --wrap). Its records are OpenSSL's AEADs, so a client that
// understands them has been given the right keys, nonces and sequence numbers.
// Thread: the test's.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "sys/kernel_tls.h"

namespace penstock::faked {

struct Direction {
  sys::kernel_tls::Keys keys;  // sequence: the next record's
  uint64_t began = 0;          // with that
};

struct Socket {
  bool prepared = false;
  std::map<int, Direction> directions;  // by TLS_TX and TLS_RX
  std::vector<uint8_t> arrived;         // cipher text that is no whole record yet
  std::vector<uint8_t> rest;            // of a record that was read in part
  uint8_t type_of_rest = 0;
  std::vector<uint8_t> held_back;  // records that were taken and not passed on
};

struct Kernel {
  // What it refuses, as errno; 0: nothing.
  int refuses_tls = 0;
  int refuses_receiving = 0;
  int refuses_sending = 0;
  bool takes_new_keys = false;  // as Linux does since 6.14
  bool holds_back = false;      // as if the socket were full in the middle of a record

  int asked = 0;  // for TLS, by TCP_ULP
  std::map<int, Socket> sockets{};
};

Kernel& kernel();
void pass_on(int fd);  // what it has held back

}  // namespace penstock::faked
