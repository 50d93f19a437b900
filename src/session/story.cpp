#include "session/story.h"

namespace penstock::session {

std::string_view outcome_word(Outcome outcome) {
  switch (outcome) {
    case Outcome::kClosed: return "closed";
    case Outcome::kRefused: return "refused";
    case Outcome::kFailed: return "failed";
    case Outcome::kLeft: return "left";
    case Outcome::kCut: return "cut";
  }
  return "closed";
}

Outcome Story::outcome() const {
  if (!error) return established ? Outcome::kClosed : Outcome::kLeft;
  if (error->code == Code::kClientGone) return Outcome::kLeft;
  if (established) {
    // The ordinary end of a short exchange: a server that answers and closes while its client still
    // sends a TLS close_notify.
    if (error->code == Code::kOriginLeft) return Outcome::kClosed;
    // The policy's last word on a new tunnel is spoken when its ClientHello has been judged.
    const bool judged_hello =
        error->facts().side == Side::kPolicy && error->code != Code::kPolicyChanged;
    return judged_hello ? Outcome::kRefused : Outcome::kCut;
  }
  const Side side = error->facts().side;
  const bool ours = side != Side::kDns && side != Side::kParent && side != Side::kOrigin;
  return ours ? Outcome::kRefused : Outcome::kFailed;
}

Error Story::deny(const admission::Denial& denial) {
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(denial.retry_after).count();
  retry_after = static_cast<uint16_t>(std::clamp<int64_t>(seconds, 0, UINT16_MAX));
  cause = denial.cause;
  return denial.error;
}

}  // namespace penstock::session
