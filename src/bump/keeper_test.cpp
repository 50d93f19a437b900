#include "bump/keeper.h"

#include <fcntl.h>
#include <openssl/ec.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <fstream>
#include <span>

#include "bump/confine.h"
#include "bump/keep_key.h"
#include "bump/rig_test.h"

namespace penstock::bump {
namespace {

std::string digest_of(const X509* certificate) {
  std::string out(32, '\0');
  X509_digest(certificate, EVP_sha256(), reinterpret_cast<unsigned char*>(out.data()), nullptr);
  return out;
}

class Keepers : public Owned {
 protected:
  Keeper keeper(const KeyFiles& files) {
    return {kThisProgram, files, digest_of(authority_.certificate()), std::chrono::minutes(1)};
  }
  std::string draft() { return engraver_.draft({kName, origin()}, std::time(nullptr))->tbs; }
  const Engraver engraver_{authority_.certificate()};
  std::string warning_;
  std::string why_;
};

TEST_F(Keepers, SignInAProcessOfTheirOwn) {
  Keeper keeper = this->keeper(key_files());
  ASSERT_TRUE(keeper.start(&warning_));
  EXPECT_NE(keeper.pid(), ::getpid());
  for (int i = 0; i < 100; ++i) {
    auto draft = *engraver_.draft({kName, origin()}, std::time(nullptr));
    const auto signature = keeper.sign(draft.tbs, &why_);
    ASSERT_TRUE(signature) << why_;
    ASSERT_TRUE(engraver_.put_signature(draft, *signature));
    ASSERT_EQ(verdict_of(draft.certificate.get(), nullptr, authority_.certificate(), kName),
              X509_V_OK);
  }
}

TEST_F(Keepers, RefuseAndGoOn) {
  Keeper keeper = this->keeper(key_files());
  ASSERT_TRUE(keeper.start(&warning_));
  for (const std::string& nonsense : {std::string("x"), std::string(kDraftBytesMax + 100, 'x')}) {
    const auto refused = keeper.sign(nonsense, &why_);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error(), Keeper::Trouble::kRefused);
  }
  EXPECT_TRUE(keeper.sign(draft(), &why_));
}

TEST_F(Keepers, SayWhatIsWrongWithTheirFiles) {
  Keeper keeper = this->keeper({authority_.file(), stranger_.key_file(), {}});
  const auto started = keeper.start(&warning_);
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().file, KeyFile::kKey);
  EXPECT_EQ(started.error().what,
            "does not belong to the first certificate in " + authority_.file());
  EXPECT_FALSE(keeper.runs());
}

TEST_F(Keepers, AreNotTakenWithAnotherCertificateThanIsShown) {
  Keeper keeper = this->keeper({stranger_.file(), stranger_.key_file(), {}});
  const auto started = keeper.start(&warning_);
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().what,
            "is another than when the configuration was read; reload it (SIGHUP)");
}

TEST_F(Keepers, ThatAreNoneAreSaidToBeNone) {
  Keeper none("/nonexistent", key_files(), std::string(32, 'x'), std::chrono::minutes(1));
  EXPECT_EQ(none.start(&warning_).error().what,
            "is not kept: /nonexistent cannot be started: No such file or directory");
  Keeper other("/bin/true", key_files(), std::string(32, 'x'), std::chrono::minutes(1));
  EXPECT_EQ(other.start(&warning_).error().what,
            "is not kept: the process that should keep it ends, or says nothing, at its start");
}

TEST_F(Keepers, AreStartedAgain) {
  Keeper keeper = this->keeper(key_files());
  ASSERT_TRUE(keeper.start(&warning_));
  ::kill(keeper.pid(), SIGKILL);
  EXPECT_EQ(keeper.sign(draft(), &why_).error(), Keeper::Trouble::kGone);
  EXPECT_FALSE(keeper.runs());
  ASSERT_TRUE(keeper.start(&warning_));
  EXPECT_TRUE(keeper.sign(draft(), &why_));
}

// A service manager asks all processes to stop; tunnels are inspected until the proxy has drained.
TEST_F(Keepers, DoNotEndBecauseTheyAreAskedTo) {
  Keeper keeper = this->keeper(key_files());
  ASSERT_TRUE(keeper.start(&warning_));
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) ::kill(keeper.pid(), signal);
  EXPECT_TRUE(keeper.sign(draft(), &why_));
}

TEST_F(Keepers, EndWithWhoeverStartedThem) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const pid_t proxy = ::fork();
  if (proxy == 0) {
    Keeper keeper = this->keeper(key_files());
    const pid_t pid = keeper.start(&warning_) ? keeper.pid() : -1;
    (void)!::write(ends[1], &pid, sizeof(pid));
    ::pause();
  }
  pid_t keeper = -1;
  ASSERT_EQ(::read(ends[0], &keeper, sizeof(keeper)), static_cast<ssize_t>(sizeof(keeper)));
  ASSERT_GT(keeper, 0);
  ::kill(proxy, SIGKILL);
  ::waitpid(proxy, nullptr, 0);
  // It has this pipe's end no more than any other descriptor; so it is asked for by its number.
  while (::kill(keeper, 0) == 0) {
    std::ifstream status("/proc/" + std::to_string(keeper) + "/stat");
    std::string text;
    std::getline(status, text);
    if (text.find(") Z ") != std::string::npos) break;  // its new parent has not looked yet
  }
  ::close(ends[0]);
  ::close(ends[1]);
}

// How a child ends that has been confined and then does `what`.
template <class Body>
int end_of(Body&& what) {
  const pid_t child = ::fork();
  if (child == 0) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) != 0) ::_exit(99);
    const int socket = ::dup2(ends[0], sys::Child::kDescriptor);
    keep_to_oneself(socket);
    if (!confine(socket)) ::_exit(98);
    what(socket);
    ::syscall(SYS_exit_group, 0);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status);
}

TEST(Confined, MayReceiveAndSendOnOneSocket) {
  EXPECT_EQ(end_of([](int socket) { ::send(socket, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT); }), 0);
}

#if !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)
// Under the sanitizers the filter has holes for their run-time libraries.
TEST(Confined, MayDoNothingElse) {
  EXPECT_EQ(end_of([](int) { ::open("/etc/passwd", O_RDONLY); }), SIGSYS);
  EXPECT_EQ(end_of([](int socket) { ::send(socket + 1, "x", 1, MSG_NOSIGNAL); }), SIGSYS);
  EXPECT_EQ(end_of([](int) { (void)!::write(STDERR_FILENO, "", 0); }), SIGSYS);
  EXPECT_EQ(end_of([](int) { (void)::fork(); }), SIGSYS);
  EXPECT_EQ(end_of([](int) { ::execl("/bin/true", "true", nullptr); }), SIGSYS);
  EXPECT_EQ(end_of([](int) {
              (void)!::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                            0);
            }),
            SIGSYS);
  EXPECT_EQ(end_of([](int) { ::kill(::getppid(), 0); }), SIGSYS);
}
#endif

// --- The proxy's memory ---

// What must not be found, so that looking for it does not put it there.
class Masked {
 public:
  explicit Masked(std::string masked) : masked_(std::move(masked)) {}
  static std::string mask(std::string bytes) {
    for (char& byte : bytes) byte = static_cast<char>(byte ^ kMask);
    return bytes;
  }
  bool is_in(std::span<const char> memory) const {
    const char first = static_cast<char>(masked_[0] ^ kMask);
    const char* at = memory.data();
    const char* const end = at + memory.size();
    while (static_cast<size_t>(end - at) >= masked_.size()) {
      at = static_cast<const char*>(
          std::memchr(at, first, static_cast<size_t>(end - at) - masked_.size() + 1));
      if (!at) return false;
      size_t same = 1;
      while (same < masked_.size() && at[same] == static_cast<char>(masked_[same] ^ kMask)) ++same;
      if (same == masked_.size()) return true;
      ++at;
    }
    return false;
  }

 private:
  static constexpr char kMask = 0x5a;
  std::string masked_;
};

// Of this process, all that can be written: heaps, stacks, data.
bool has_in_memory(const std::vector<Masked>& secrets) {
  std::ifstream maps("/proc/self/maps");
  const sys::Fd memory(::open("/proc/self/mem", O_RDONLY | O_CLOEXEC));
  EXPECT_TRUE(memory);
  std::vector<char> bytes;
  std::string line;
  std::vector<std::pair<uint64_t, uint64_t>> regions;
  while (std::getline(maps, line)) {
    uint64_t from = 0;
    uint64_t to = 0;
    char rights[5] = "";
    if (std::sscanf(line.c_str(), "%lx-%lx %4s", &from, &to, rights) != 3 || rights[1] != 'w')
      continue;
    // What a sanitizer notes of every byte is terabytes of nothing, which reading would fill.
    constexpr uint64_t kRegionMax = uint64_t{1} << 30;
    if (to - from <= kRegionMax) regions.emplace_back(from, to);
  }
  for (const auto& [from, to] : regions) {
    constexpr uint64_t kAtOnce = 1 << 20;
    for (uint64_t at = from; at < to; at += kAtOnce - 256) {  // none is lost between two
      bytes.resize(std::min(kAtOnce, to - at));
      const ssize_t got = ::pread(memory.get(), bytes.data(), bytes.size(), static_cast<off_t>(at));
      if (got <= 0) continue;
      for (const Masked& secret : secrets) {
        if (secret.is_in({bytes.data(), static_cast<size_t>(got)})) return true;
      }
    }
  }
  return false;
}

class Memory : public Owned {
 protected:
  // Made by a child, so that this process has never had the key.
  Memory() {
    int ends[2];
    EXPECT_EQ(::pipe(ends), 0);
    std::fflush(nullptr);
    const pid_t child = ::fork();
    if (child == 0) {
      const tls::Issued owner(directory_, {.name = "owner", .authority = true}, nullptr);
      std::filesystem::rename(owner.file(), directory_ / "owner.pem");
      std::filesystem::rename(owner.key_file(), directory_ / "owner.key");
      const tls::OwnedBio file(BIO_new_file((directory_ / "owner.key").c_str(), "r"));
      const tls::OwnedKey key(PEM_read_bio_PrivateKey(file.get(), nullptr, nullptr, nullptr));
      BIGNUM* scalar = nullptr;
      EVP_PKEY_get_bn_param(key.get(), "priv", &scalar);
      std::string big(32, '\0');
      std::string little(32, '\0');
      BN_bn2binpad(scalar, reinterpret_cast<unsigned char*>(big.data()), 32);
      BN_bn2lebinpad(scalar, reinterpret_cast<unsigned char*>(little.data()), 32);
      std::ifstream text(directory_ / "owner.key");
      std::string line;
      std::getline(text, line);
      std::getline(text, line);
      const std::string all = Masked::mask(big) + Masked::mask(little) + Masked::mask(line);
      (void)!::write(ends[1], all.data(), all.size());
      ::_exit(0);
    }
    ::close(ends[1]);
    std::string all(128, '\0');
    const ssize_t got = ::read(ends[0], all.data(), all.size());
    EXPECT_EQ(got, 128);
    ::close(ends[0]);
    ::waitpid(child, nullptr, 0);
    secrets_ = {Masked(all.substr(0, 32)), Masked(all.substr(32, 32)), Masked(all.substr(64, 64))};
    owner_.ca.value = directory_ / "owner.pem";
    owner_.key.value = directory_ / "owner.key";
  }

  config::Inspection owner_;
  std::vector<Masked> secrets_;
};

TEST_F(Memory, OfTheProxyNeverHasTheOwnersKey) {
  const auto mint = open(owner_);
  ASSERT_NE(mint, nullptr);
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(made(*mint, {"host-" + std::to_string(i) + ".example.com"}));
  }
  ::kill(mint->keeper(), SIGKILL);
  ASSERT_TRUE(made(*mint, {"once-more.example.com"}));
  EXPECT_FALSE(has_in_memory(secrets_));
}

// So that the test above can fail.
TEST_F(Memory, OfWhoeverReadsTheKeyHasIt) {
  const pid_t child = ::fork();
  if (child == 0) {
    std::string warning;
    const auto signet = Signet::open({owner_.ca.value, owner_.key.value, {}}, &warning);
    ::_exit(signet && has_in_memory(secrets_) ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace penstock::bump

// The tests' keeper is the tests' program, as the proxy's is the proxy's.
int main(int argc, char** argv) {
  if (argc > 4 && std::string_view(argv[1]) == "keep-key") {
    return penstock::bump::keep_key({argv[2], argv[3], argv[4]});
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
