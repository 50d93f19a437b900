#include "session/announcement.h"

#include <string>

#include "announce/header.h"
#include "session/hear.h"
#include "session/ledger.h"

namespace penstock::session {
namespace {

using loop::Task;
using Failure = std::optional<Error>;

void take_in(Connection& c, const announce::Header& header) {
  const announce::Notes& notes = header.notes;
  c.story.announced = std::make_unique<Announced>(Announced{
      c.story.client, std::string(notes.authority), std::string(notes.alpn),
      std::string(notes.unique_id), std::string(notes.tls_version), std::string(notes.tls_name)});
  // A sender that speaks for itself is the client.
  if (!header.local) c.story.client = header.source;
}

}  // namespace

Task<Failure> hear_announcement(Connection& c) {
  // Not one byte of a stranger's is read: whoever could send a header could be any client.
  if (!c.listener().trusts(c.story.client.address)) co_return Error{Code::kUntrustedSender};
  const auto taken = co_await hear_message(c, announce::read_header);
  if (!taken) co_return taken.error();
  take_in(c, taken->message);
  use_up(c, taken->length);
  co_return std::nullopt;
}

Task<Failure> announce_client(Connection& c) {
  const policy::Announce version = c.story.announces();
  const std::string id = log_id(c);
  const std::string_view name = c.story.target.literal ? "" : std::string_view(c.story.target.host);
  const announce::Announcement announcement{c.story.client, c.story.route, name, id};
  const std::string header = version == policy::Announce::kV1 ? announce::write_v1(announcement)
                                                              : announce::write_v2(announcement);
  loop::Timer timer(c.worker.loop());
  timer.arm(deadline_after(c.worker.loop().now(), c.config().timeouts.dial));
  if (const int error = co_await loop::write_all(c.worker.loop(), c.origin, header, timer)) {
    co_return Error{Code::kDialFailed, error};
  }
  co_return std::nullopt;
}

}  // namespace penstock::session
