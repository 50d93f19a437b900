#include "bump/confine.h"

#include <openssl/crypto.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <climits>
#include <csignal>
#include <initializer_list>
#include <memory>

#include "base/check.h"

namespace penstock::bump {
namespace {

constexpr size_t kSecureHeapBytes = 64 * 1024;  // what anybody may lock
constexpr int kSecureHeapLeast = 32;

// Memory, locks, chance, clocks where the vDSO has none, and the end.
constexpr auto kAllowed = {SCMP_SYS(brk),           SCMP_SYS(munmap),     SCMP_SYS(madvise),
                           SCMP_SYS(futex),         SCMP_SYS(getrandom),  SCMP_SYS(getpid),
                           SCMP_SYS(clock_gettime), SCMP_SYS(exit_group), SCMP_SYS(rt_sigreturn),
                           SCMP_SYS(gettimeofday)};
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
// What their run-time libraries do beside us, and to write and die of what they find.
constexpr auto kForSanitizers = {SCMP_SYS(write),        SCMP_SYS(read),
                                 SCMP_SYS(open),         SCMP_SYS(openat),
                                 SCMP_SYS(close),        SCMP_SYS(readlink),
                                 SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask),
                                 SCMP_SYS(sigaltstack),  SCMP_SYS(gettid),
                                 SCMP_SYS(tgkill),       SCMP_SYS(sched_yield),
                                 SCMP_SYS(mmap),         SCMP_SYS(mprotect),
                                 SCMP_SYS(mremap),       SCMP_SYS(prctl),
                                 SCMP_SYS(getrlimit),    SCMP_SYS(prlimit64),
                                 SCMP_SYS(stat),         SCMP_SYS(newfstatat),
                                 SCMP_SYS(fstat),        SCMP_SYS(lseek),
                                 SCMP_SYS(dup),          SCMP_SYS(getcwd),
                                 SCMP_SYS(readlinkat),   SCMP_SYS(clock_nanosleep)};
#else
constexpr std::initializer_list<int> kForSanitizers = {};
#endif

struct Release {
  void operator()(void* filter) const { seccomp_release(filter); }
};

}  // namespace

void keep_to_oneself(int socket) {
  // Asked to stop are all processes of a service; this one is needed until the proxy has drained,
  // and notices its end.
  for (const int signal : {SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGPIPE}) {
    std::signal(signal, SIG_IGN);
  }
  PENSTOCK_CHECK(::prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
  PENSTOCK_CHECK(::prctl(PR_SET_DUMPABLE, 0) == 0);
  PENSTOCK_CHECK(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  ::prctl(PR_SET_NAME, "penstock-keeper");
  const rlimit none{.rlim_cur = 0, .rlim_max = 0};
  PENSTOCK_CHECK(::setrlimit(RLIMIT_CORE, &none) == 0);
  ::close_range(static_cast<unsigned>(socket) + 1, UINT_MAX, 0);
  // Locked, and in no dump; OpenSSL puts private keys there.
  CRYPTO_secure_malloc_init(kSecureHeapBytes, kSecureHeapLeast);
}

bool confine(int socket) {
  ::mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);
  const std::unique_ptr<void, Release> filter(seccomp_init(SCMP_ACT_KILL_PROCESS));
  if (!filter) return false;
  int refused = 0;
  for (const auto& list : {kAllowed, std::initializer_list<int>(kForSanitizers)}) {
    for (const int call : list) refused |= seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, call, 0);
  }
  // Messages on its one socket, and memory that is nobody's code and no file's.
  const scmp_arg_cmp on_socket{0, SCMP_CMP_EQ, static_cast<scmp_datum_t>(socket), 0};
  for (const int call : {SCMP_SYS(recvfrom), SCMP_SYS(sendto)}) {
    refused |= seccomp_rule_add_array(filter.get(), SCMP_ACT_ALLOW, call, 1, &on_socket);
  }
  const scmp_arg_cmp plain[] = {{2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0},
                                {3, SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS, MAP_ANONYMOUS}};
  refused |= seccomp_rule_add_array(filter.get(), SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2, plain);
  return refused == 0 && seccomp_load(filter.get()) == 0;
}

}  // namespace penstock::bump
