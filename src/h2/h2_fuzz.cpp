// A session of HTTP/2 keeps its bounds whatever it is told: streams at a time, bytes that are held
// for one, nothing heard behind an end. What is accepted has an authority that survives being
// printed, or a head that is read as one request. Each request is answered: granted and echoed, or
// refused, as its host's length says. Seeds: fuzz/corpus/h2, what clients send behind the preface,
// one hazard each; the last byte says in what pieces.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/check.h"
#include "h2/session.h"
#include "http/forward.h"

namespace penstock::h2 {
namespace {

class Echo final : public Stream {
 public:
  Echo(Session& session, const Limits& limits, StreamId id)
      : session_(session), limits_(limits), id_(id) {}

  bool over() const { return over_; }
  void grant() { granted_ = true; }
  void refuse() { ended_ = true; }
  // What has come goes back, in some later turn.
  void turn() {
    if (over_) return;
    session_.consumed(id_, heard_.size());
    to_send_ += heard_;
    heard_.clear();
    if (!to_send_.empty() || ended_) session_.resume(id_);
  }

 private:
  void received(std::span<const uint8_t> bytes) override {
    PENSTOCK_CHECK(!over_);
    heard_.append(bytes.begin(), bytes.end());
    PENSTOCK_CHECK(heard_.size() <= limits_.window_max);
  }
  void ended(Trailers) override {
    PENSTOCK_CHECK(!over_);
    ended_ = true;
  }
  void closed(Reset) override {
    PENSTOCK_CHECK(!over_);
    over_ = true;
  }
  Piece send(std::span<uint8_t> into) override {
    PENSTOCK_CHECK(!over_);
    const size_t count = std::min(into.size(), to_send_.size());
    std::copy_n(to_send_.begin(), count, into.begin());
    to_send_.erase(0, count);
    return {count, ended_ && to_send_.empty(), {}};
  }
  bool granted() const override { return granted_; }

  Session& session_;
  const Limits& limits_;
  const StreamId id_;
  std::string heard_, to_send_;
  bool granted_ = false;
  bool ended_ = false;
  bool over_ = false;
};

class Proxy final : public Owner {
 public:
  void judge(std::span<const uint8_t> bytes) {
    session_.feed(bytes_of(kPreface), now_);
    const size_t step = bytes.empty() ? 1 : size_t{1} << (bytes.back() % 16);
    for (size_t at = 0; at < bytes.size() && !session_.failure(); at += step) {
      session_.feed(bytes.subspan(at, std::min(step, bytes.size() - at)), now_);
      now_ += std::chrono::microseconds(100);
      turn();
    }
    if (!session_.failure()) session_.go_away();
    turn();
    PENSTOCK_CHECK(!session_.failure() || session_.over());
  }

 private:
  Stream* requested(StreamId id, Result<Request> request, std::string asked) override {
    PENSTOCK_CHECK(!session_.failure());
    PENSTOCK_CHECK(std::ranges::all_of(asked, [](char c) { return c >= 0x20 && c < 0x7f; }));
    std::erase_if(streams_, [](const auto& one) { return one.second->over(); });
    PENSTOCK_CHECK(streams_.size() < kLimits.streams && !streams_.contains(id));
    if (request && request->tunnel()) {
      const std::string text = request->target.text();
      PENSTOCK_CHECK(http::parse_authority(text) == request->target);
    } else if (request) {
      const auto forward = http::parse_forward(request->head, {}, "fuzz", http::Carrier::kStream);
      PENSTOCK_CHECK(!forward || (!forward->persists && !forward->credentials));
    }
    auto& stream = streams_[id] = std::make_unique<Echo>(session_, kLimits, id);
    arrived_.emplace_back(id, request.has_value() && request->target.host.size() % 2 == 0);
    return stream.get();
  }
  void turn() {
    for (const auto& [id, grant] : std::exchange(arrived_, {})) {
      const auto found = streams_.find(id);
      if (found == streams_.end() || found->second->over()) continue;  // reset in the same breath
      Echo& stream = *found->second;
      if (grant) {
        stream.grant();
      } else {
        stream.refuse();
      }
      session_.answer(id, {{":status", grant ? "200" : "403"}});
    }
    for (const auto& [id, stream] : streams_) stream->turn();
    while (!session_.next().empty()) {
    }
  }

  const Limits kLimits{.head = {1024, 12}, .streams = 8, .window = 65536};
  Instant now_ = Clock::now();
  std::map<StreamId, std::unique_ptr<Echo>> streams_;
  std::vector<std::pair<StreamId, bool>> arrived_;
  Session session_{kLimits, *this};
};

}  // namespace
}  // namespace penstock::h2

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  penstock::h2::Proxy().judge({data, size});
  return 0;
}
