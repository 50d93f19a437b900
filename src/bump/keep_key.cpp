#include "bump/keep_key.h"

#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdio>

#include "bump/confine.h"
#include "bump/form.h"
#include "bump/leaf.h"
#include "bump/signing_key.h"
#include "sys/calls.h"
#include "sys/child.h"

namespace penstock::bump {
namespace {

constexpr int kSocket = sys::Child::kDescriptor;

bool say(const std::string& message) {
  return sys::calls::send(kSocket, message.data(), message.size()) ==
         static_cast<long>(message.size());
}

// The whole way once, for libraries to open whatever they open the first time. Of an owner whose
// time is over nothing is signed anyway.
void rehearse(const Signet& signet) {
  const Engraver engraver(signet.certificate());
  if (const auto draft = engraver.draft({"rehearsal.invalid"}, std::time(nullptr))) {
    const auto unused = signet.sign(draft->tbs);
    (void)unused;
  }
}

// Until the proxy has gone.
void serve(const Signet& signet) {
  // One byte more than may come says that there were too many.
  std::array<char, kDraftBytesMax + 1> draft;
  for (;;) {
    const long got = sys::calls::recv(kSocket, draft.data(), draft.size());
    if (got <= 0) return;
    const auto leaf = signet.sign({draft.data(), static_cast<size_t>(got)});
    if (!say(leaf ? kSigned + *leaf : std::string(1, kNotSigned) + leaf.error())) return;
  }
}

}  // namespace

int keep_key(const KeyFiles& files) {
  struct stat facts{};
  if (::fstat(kSocket, &facts) != 0 || !S_ISSOCK(facts.st_mode)) {
    std::fputs("penstock keep-key is started by `penstock run`, for rules that inspect\n", stderr);
    return 2;
  }
  keep_to_oneself(kSocket);
  std::string warning;
  const auto signet = Signet::open(files, &warning);
  if (!signet) {
    say((std::string{kFault, static_cast<char>(signet.error().file)} + signet.error().what)
            .substr(0, kAnswerBytesMax));
    return 1;
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int size = 0;
  if (X509_digest(signet->certificate(), EVP_sha256(), digest.data(), &size) != 1) return 1;
  // SAFETY: bytes are read as chars.
  const std::string ready =
      kReady + std::string(reinterpret_cast<const char*>(digest.data()), size) + warning;
  rehearse(*signet);
  // What speaks to a token makes system calls of its own; and the key is not here then.
  if (!is_store_uri(files.key) && !confine(kSocket)) {
    say(std::string{kFault, static_cast<char>(KeyFile::kKey)} +
        "is not kept: this kernel has no seccomp filters, or refuses them");
    return 1;
  }
  if (say(ready)) serve(*signet);
  // Not by exit(): what would be done there takes more than is left to us.
  ::_exit(0);
}

}  // namespace penstock::bump
