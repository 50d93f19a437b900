// The server's side of one connection of HTTP/2 (h2/link.h): tunnels (RFC 9113 section 8.5), and
// requests that are forwarded. They are read by our own rules (h2/request.h). Resets that cost a
// client nothing are counted against time, and too many of them end the connection.
//
// Pure: no descriptor; the time is told.   Thread: one.
// Cost: 8 KiB, and about 0.5 KiB for each stream.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "h2/link.h"
#include "h2/request.h"

namespace penstock::h2 {

inline constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

class Owner {
 public:
  // A request has come, or what was taken for one; `asked` is its method and target for the log.
  // Null: there is no room for it (REFUSED_STREAM).
  virtual Stream* requested(StreamId id, Result<Request> request, std::string asked) = 0;

 protected:
  ~Owner() = default;
};

class Session final : public Link {
 public:
  Session(const Limits& limits, Owner& owner);
  ~Session() override;

  // The head of an interim answer (1xx), `:status` first; others follow.
  void inform(StreamId id, const std::vector<Field>& fields);
  // The head of the answer, `:status` first; what is behind it comes from Stream::send(). `last`:
  // there is nothing behind it.
  void answer(StreamId id, const std::vector<Field>& fields, bool last = false);

  struct Counts {
    uint64_t client_resets = 0;
    uint64_t proxy_resets = 0;
    uint64_t goaways = 0;  // sent
  };
  Counts counts() const { return {client_resets_, proxy_resets_, goaways_}; }

 private:
  void begin_fields(StreamId id, bool first) override;
  size_t take_field(std::string_view name, std::string_view value) override;
  void end_fields(StreamId id, bool first, bool last) override;
  void end_stream(StreamId id, Stream& stream, Trailers trailers) override;
  void note_reset_received(StreamId id) override;
  void note_reset_sent(uint32_t code) override;
  void end_trailers(StreamId id, bool last);

  Owner& owner_;
  // The block that is coming in: the one or the other.
  std::unique_ptr<RequestReader> reading_;
  std::optional<TrailersReader> trailers_;
  uint64_t client_resets_ = 0;
  uint64_t proxy_resets_ = 0;
  Allowance resets_;
};

}  // namespace penstock::h2
