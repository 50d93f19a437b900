#include "fetch/fetcher.h"

#include <curl/curl.h>
#include <string.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <mutex>

#include "base/ascii.h"
#include "base/check.h"
#include "base/ip.h"
#include "base/wiping_memory.h"
#include "fetch/url.h"

namespace penstock::fetch {
namespace {

constexpr size_t kHeadBytesMax = 64 * 1024;
constexpr long kConnectionsKept = 64;
constexpr long kConnectionAge = 300;  // seconds; then name and roots are looked at anew

// What libcurl is given to send may be a password, and its buffers are not ours to wipe: so all
// that it frees is.
void prepare_library() {
  static std::once_flag once;
  std::call_once(once, [] {
    PENSTOCK_CHECK(curl_global_init_mem(CURL_GLOBAL_DEFAULT, std::malloc, wiping_free,
                                        wiping_realloc, ::strdup, std::calloc) == CURLE_OK);
  });
}

// The last look at where it has gone, before a byte of the request does: what is not encrypted
// stays on this machine.
int may_ask(void* encrypted, char* server, char*, int, int) {
  if (encrypted != nullptr) return CURL_PREREQFUNC_OK;
  const auto address = IpAddress::parse(server);
  return address && is_this_machine(*address) ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

template <class T>
void set(CURL* easy, CURLoption option, T value) {
  PENSTOCK_CHECK(curl_easy_setopt(easy, option, value) == CURLE_OK);
}

// For the log: one line, and nothing that moves a terminal.
std::string clean(std::string text) {
  std::ranges::replace_if(text, [](char c) { return c < ' ' || c > '~'; }, '?');
  return text;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const size_t first = text.find_first_not_of(kBlanks);
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

}  // namespace

// One request on its way.
class Fetcher::Exchange {
 public:
  Exchange(Request request, Done done) : request_(std::move(request)), done_(std::move(done)) {
    PENSTOCK_CHECK(easy_ != nullptr);
    error_[0] = '\0';
    set(easy_, CURLOPT_URL, request_.url.c_str());
    say_whom_to_trust();
    say_what_is_not_done();
    say_how_much();
    for (const Secret& field : request_.fields) {
      std::string line(field.view());
      fields_ = curl_slist_append(fields_, line.c_str());
      wipe(line);
    }
    request_.fields.clear();
    set(easy_, CURLOPT_HTTPHEADER, fields_);
    set(easy_, CURLOPT_USERAGENT, "penstock/" PENSTOCK_VERSION);
  }
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;
  ~Exchange() {
    curl_easy_cleanup(easy_);
    curl_slist_free_all(fields_);
  }

  CURL* easy() const { return easy_; }

  void finish(CURLcode result) {
    if (result != CURLE_OK) {
      if (why_.empty()) why_ = error_[0] != '\0' ? error_.data() : curl_easy_strerror(result);
      return done_(std::unexpected(clean(std::move(why_))));
    }
    long status = 0;
    curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &status);
    reply_.status = static_cast<int>(status);
    done_(std::move(reply_));
  }

 private:
  void say_whom_to_trust() {
    const auto url = parse_url(request_.url);
    const bool encrypted = !url || url->encrypted;
    set(easy_, CURLOPT_PROTOCOLS_STR, encrypted ? "https" : "http");
    set(easy_, CURLOPT_SSL_VERIFYPEER, 1L);
    set(easy_, CURLOPT_SSL_VERIFYHOST, 2L);
    set(easy_, CURLOPT_SSLVERSION, long{CURL_SSLVERSION_TLSv1_2});
    if (!request_.ca.empty()) {
      set(easy_, CURLOPT_CAINFO, request_.ca.c_str());
      set(easy_, CURLOPT_CAPATH, static_cast<const char*>(nullptr));  // and not the system's too
    }
    set(easy_, CURLOPT_PREREQFUNCTION, may_ask);
    set(easy_, CURLOPT_PREREQDATA, encrypted ? static_cast<void*>(this) : nullptr);
  }

  void say_what_is_not_done() {
    set(easy_, CURLOPT_PROXY, "");  // whatever http_proxy says; it may be this very proxy
    set(easy_, CURLOPT_NETRC, long{CURL_NETRC_IGNORED});
    set(easy_, CURLOPT_FOLLOWLOCATION, 0L);
    set(easy_, CURLOPT_NOSIGNAL, 1L);
    set(easy_, CURLOPT_HTTP_VERSION, long{CURL_HTTP_VERSION_1_1});
    set(easy_, CURLOPT_HTTP09_ALLOWED, 0L);
  }

  void say_how_much() {
    const auto timeout = std::chrono::ceil<std::chrono::milliseconds>(request_.timeout);
    set(easy_, CURLOPT_TIMEOUT_MS, std::max(1L, static_cast<long>(timeout.count())));
    set(easy_, CURLOPT_MAXLIFETIME_CONN, kConnectionAge);
    set(easy_, CURLOPT_ERRORBUFFER, error_.data());
    set(easy_, CURLOPT_WRITEFUNCTION, take_body);
    set(easy_, CURLOPT_WRITEDATA, static_cast<void*>(this));
    set(easy_, CURLOPT_HEADERFUNCTION, take_line);
    set(easy_, CURLOPT_HEADERDATA, static_cast<void*>(this));
  }

  static size_t take_body(char* bytes, size_t, size_t count, void* exchange) {
    auto& self = *static_cast<Exchange*>(exchange);
    if (self.reply_.body.size() + count > self.request_.bytes_max) {
      self.why_ =
          "the answer is larger than " + std::to_string(self.request_.bytes_max / 1024) + " KiB";
      return CURL_WRITEFUNC_ERROR;
    }
    self.reply_.body.append(bytes, count);
    return count;
  }

  // Of an interim answer (1xx) too, which the next status line ends.
  static size_t take_line(char* bytes, size_t, size_t count, void* exchange) {
    auto& self = *static_cast<Exchange*>(exchange);
    self.head_bytes_ += count;
    if (self.head_bytes_ > kHeadBytesMax) {
      self.why_ = "the head of the answer is larger than 64 KiB";
      return CURL_WRITEFUNC_ERROR;
    }
    const std::string_view line(bytes, count);
    if (line.starts_with("HTTP/")) self.reply_.fields.clear();
    const size_t colon = line.find(':');
    if (colon == line.npos) return count;
    for (const std::string& name : self.request_.wanted) {
      if (!equals_ignoring_case(line.substr(0, colon), name)) continue;
      self.reply_.fields.emplace_back(name, trimmed(line.substr(colon + 1)));
    }
    return count;
  }

  Request request_;
  Done done_;
  Reply reply_;
  std::string why_;
  size_t head_bytes_ = 0;
  CURL* const easy_ = curl_easy_init();
  curl_slist* fields_ = nullptr;
  std::array<char, CURL_ERROR_SIZE> error_;
};

const std::string* Reply::field(std::string_view name) const {
  const auto is_it = [name](const auto& field) { return field.first == name; };
  if (std::ranges::count_if(fields, is_it) != 1) return nullptr;
  return &std::ranges::find_if(fields, is_it)->second;
}

Fetcher::Fetcher() : multi_((prepare_library(), curl_multi_init())) {
  PENSTOCK_CHECK(multi_ != nullptr);
  curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, kConnectionsKept);
}

Fetcher::~Fetcher() {
  for (const auto& [easy, exchange] : running_) {
    set(easy, CURLOPT_QUICK_EXIT, 1L);  // a name server that is silent holds up nobody's end
    curl_multi_remove_handle(multi_, easy);
  }
  running_.clear();
  curl_multi_cleanup(multi_);
}

void Fetcher::start(Request request, Done done) {
  auto exchange = std::make_unique<Exchange>(std::move(request), std::move(done));
  CURL* const easy = exchange->easy();
  PENSTOCK_CHECK(curl_multi_add_handle(multi_, easy) == CURLM_OK);
  running_.emplace(easy, std::move(exchange));
}

void Fetcher::wait(Duration at_most) {
  int still = 0;
  curl_multi_perform(multi_, &still);
  if (collect()) return;
  const auto millis = std::chrono::ceil<std::chrono::milliseconds>(at_most).count();
  curl_multi_poll(multi_, nullptr, 0, static_cast<int>(std::clamp<int64_t>(millis, 0, 60'000)),
                  nullptr);
  curl_multi_perform(multi_, &still);
  collect();
}

void Fetcher::wake() {
  curl_multi_wakeup(multi_);
}

bool Fetcher::collect() {
  int left = 0;
  bool any = false;
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    CURL* const easy = message->easy_handle;
    const CURLcode result = message->data.result;  // gone with the handle
    const auto found = running_.extract(easy);
    curl_multi_remove_handle(multi_, easy);
    found.mapped()->finish(result);
    any = true;
  }
  return any;
}

std::optional<std::chrono::seconds> freshness(const Reply& reply) {
  const auto number = [](std::string_view text) -> std::optional<int64_t> {
    if (text.empty() || text.size() > 10 || !std::ranges::all_of(text, is_digit)) {
      return std::nullopt;
    }
    return std::strtoll(std::string(text).c_str(), nullptr, 10);
  };
  std::optional<int64_t> fresh;
  for (const auto& [name, value] : reply.fields) {
    if (name != "cache-control") continue;
    std::string_view rest = value;
    while (!rest.empty()) {
      const size_t comma = std::min(rest.find(','), rest.size());
      const std::string_view word = trimmed(rest.substr(0, comma));
      rest.remove_prefix(std::min(comma + 1, rest.size()));
      constexpr std::string_view kMaxAge = "max-age=";
      if (equals_ignoring_case(word, "no-store") || equals_ignoring_case(word, "no-cache")) {
        return std::chrono::seconds(0);
      }
      if (word.size() <= kMaxAge.size()) continue;
      if (!equals_ignoring_case(word.substr(0, kMaxAge.size()), kMaxAge)) continue;
      // What cannot be read is not fresh (RFC 9111 section 4.2.1); of two, the shorter.
      const int64_t said = number(word.substr(kMaxAge.size())).value_or(0);
      fresh = std::min(fresh.value_or(said), said);
    }
  }
  if (!fresh) return std::nullopt;
  const std::string* age = reply.field("age");
  if (age != nullptr) *fresh -= number(*age).value_or(0);
  return std::chrono::seconds(std::max<int64_t>(*fresh, 0));
}

}  // namespace penstock::fetch
