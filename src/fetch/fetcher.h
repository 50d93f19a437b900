// Asks HTTP endpoints for the proxy's own sake: keys of tokens, who somebody is. Many requests at
// once on one thread, over libcurl, whose environment is not obeyed: no proxy, no .netrc, no
// redirect, no scheme but the one that was judged (fetch/url.h), no compression. TLS from 1.2 on is
// verified by the system's roots, or by the one file that a request names and nothing else.
// Thread: its owner's; wake() any.   Lifetime: requests that run when it goes end without an
// answer. Limits: bytes and time, by request; how many run is the owner's to say.
#pragma once

#include <chrono>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/secret.h"
#include "base/time.h"

namespace penstock::fetch {

// A GET.
struct Request {
  std::string url;                    // one that parse_url() takes
  std::string ca;                     // a file of PEM; empty: the system's roots
  std::vector<Secret> fields{};       // "Name: value"
  std::vector<std::string> wanted{};  // fields of the reply to be kept, in small letters
  size_t bytes_max = 0;               // of the reply's body
  Duration timeout{};                 // for all of it
};

struct Reply {
  int status = 0;
  std::string body;
  std::vector<std::pair<std::string, std::string>> fields;  // as often as they came

  // Null: it is not there, or several times.
  const std::string* field(std::string_view name) const;
};

// Or why there is no reply, in words for the log, which say nothing that was sent.
using Outcome = std::expected<Reply, std::string>;

class Fetcher {
 public:
  using Done = std::move_only_function<void(Outcome)>;

  Fetcher();
  Fetcher(const Fetcher&) = delete;
  Fetcher& operator=(const Fetcher&) = delete;
  ~Fetcher();

  void start(Request request, Done done);
  // Until something has moved, wake() was called or the time is over; calls `done` of what ended,
  // and then returns at once.
  void wait(Duration at_most);
  void wake();
  size_t running() const { return running_.size(); }

 private:
  class Exchange;
  bool collect();  // whether something had ended

  void* multi_;                                                   // CURLM
  std::unordered_map<void*, std::unique_ptr<Exchange>> running_;  // by CURL
};

// How long a reply may be kept by its Cache-Control (RFC 9111): max-age less its Age. Zero: not at
// all (no-store, no-cache). Empty: it does not say.
std::optional<std::chrono::seconds> freshness(const Reply& reply);

}  // namespace penstock::fetch
