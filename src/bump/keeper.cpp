#include "bump/keeper.h"

#include <array>
#include <chrono>
#include <cstring>

#include "bump/keep_key.h"
#include "sys/calls.h"

namespace penstock::bump {
namespace {

constexpr Duration kStartPatience = std::chrono::seconds(10);
constexpr size_t kDigestBytes = 32;

std::unexpected<Signet::Fault> not_kept(const std::string& why) {
  return std::unexpected(Signet::Fault{KeyFile::kKey, "is not kept: " + why});
}

}  // namespace

std::string Keeper::hear() {
  std::array<char, kAnswerBytesMax> answer;
  const long got = sys::calls::recv(child_.descriptor(), answer.data(), answer.size());
  if (got <= 0) return {};
  return {answer.data(), static_cast<size_t>(got)};
}

std::expected<void, Signet::Fault> Keeper::start(std::string* warning) {
  child_.end();
  auto child = sys::Child::start(
      program_, {"penstock", "keep-key", files_.ca, files_.key, files_.passphrase_file});
  if (!child) {
    return not_kept(program_ + " cannot be started: " + std::strerror(child.error()));
  }
  child_ = std::move(*child);
  child_.be_patient(kStartPatience);
  const std::string answer = hear();
  if (answer.size() > kDigestBytes && answer[0] == kReady) {
    if (answer.compare(1, kDigestBytes, digest_) == 0) {
      *warning = answer.substr(1 + kDigestBytes);
      child_.be_patient(patience_);
      return {};
    }
    child_.end();
    return std::unexpected(Signet::Fault{
        KeyFile::kCa, "is another than when the configuration was read; reload it (SIGHUP)"});
  }
  child_.end();
  if (answer.size() < 2 || answer[0] != kFault) {
    return not_kept("the process that should keep it ends, or says nothing, at its start");
  }
  return std::unexpected(Signet::Fault{static_cast<KeyFile>(answer[1]), answer.substr(2)});
}

std::expected<std::string, Keeper::Trouble> Keeper::sign(const std::string& draft,
                                                         std::string* why) {
  if (!child_) return std::unexpected(Trouble::kGone);
  const long said = sys::calls::send(child_.descriptor(), draft.data(), draft.size());
  std::string answer = said == static_cast<long>(draft.size()) ? hear() : std::string();
  if (answer.empty() || (answer[0] != kSigned && answer[0] != kNotSigned)) {
    // An answer that comes late would be taken for the next one's.
    child_.end();
    return std::unexpected(Trouble::kGone);
  }
  const bool is_signed = answer[0] == kSigned;
  answer.erase(0, 1);
  if (is_signed) return answer;
  *why = std::move(answer);
  return std::unexpected(Trouble::kRefused);
}

}  // namespace penstock::bump
