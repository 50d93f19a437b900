// What a certificate costs whoever waits for it: drawn up, signed by the key keeper in its process,
// and back. The budget: 100 us at the median.
#include <benchmark/benchmark.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "bump/keep_key.h"
#include "bump/mint.h"

namespace penstock::bump {
namespace {

void extend(X509* certificate, int nid, const char* value) {
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

tls::OwnedCertificate certificate(const char* name, EVP_PKEY* key, bool authority) {
  tls::OwnedCertificate out(X509_new());
  X509_set_version(out.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(out.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(out.get()), -kDay);
  X509_gmtime_adj(X509_getm_notAfter(out.get()), 90 * kDay);
  X509_set_pubkey(out.get(), key);
  const auto* text = reinterpret_cast<const unsigned char*>(name);
  X509_NAME* const subject = X509_get_subject_name(out.get());
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, text, -1, -1, 0);
  X509_set_issuer_name(out.get(), subject);
  extend(out.get(), NID_basic_constraints, authority ? "critical,CA:TRUE" : "CA:FALSE");
  if (authority) {
    extend(out.get(), NID_key_usage, "critical,keyCertSign");
    extend(out.get(), NID_subject_key_identifier, "01:02:03:04");
  }
  extend(out.get(), NID_subject_alt_name, "DNS:www.example.com, DNS:*.example.com");
  X509_sign(out.get(), key, EVP_sha256());
  return out;
}

// The owner's files, for as long as the keeper reads them.
class Owner {
 public:
  explicit Owner(tls::OwnedKey key)
      : key_(std::move(key)), ca_(certificate("owner", key_.get(), true)) {
    std::filesystem::create_directories(directory_);
    const tls::OwnedBio file(BIO_new_file((directory_ / "ca").c_str(), "w"));
    PEM_write_bio_X509(file.get(), ca_.get());
    const tls::OwnedBio key_file(BIO_new_file((directory_ / "key").c_str(), "w"));
    PEM_write_bio_PrivateKey(key_file.get(), key_.get(), nullptr, nullptr, 0, nullptr, nullptr);
    std::filesystem::permissions(directory_ / "key", std::filesystem::perms::owner_read);
  }
  ~Owner() { std::filesystem::remove_all(directory_); }
  KeyFiles files() const { return {directory_ / "ca", directory_ / "key", {}}; }
  Keeper keeper() const {
    std::string digest(32, '\0');
    X509_digest(ca_.get(), EVP_sha256(), reinterpret_cast<unsigned char*>(digest.data()), nullptr);
    return {"/proc/self/exe", files(), digest, std::chrono::seconds(10)};
  }
  std::shared_ptr<Mint> open() const {
    config::Inspection settings;
    settings.ca.value = directory_ / "ca";
    settings.key.value = directory_ / "key";
    Faults warnings;
    const auto mint = Mint::open(settings, &warnings);
    PENSTOCK_CHECK(mint);
    return *mint;
  }

 private:
  const std::filesystem::path directory_ = std::filesystem::temp_directory_path() /
                                           ("penstock-mint-bench-" + std::to_string(::getpid()));
  tls::OwnedKey key_;
  tls::OwnedCertificate ca_;
};

void wait_for(Mint& mint, Wish wish) {
  std::mutex mutex;
  std::condition_variable called;
  bool rung = false;
  const auto there = mint.ask(std::move(wish), [&] {
    const std::lock_guard lock(mutex);
    rung = true;
    called.notify_one();
  });
  if (there.index() == 0) return;
  std::unique_lock lock(mutex);
  called.wait(lock, [&rung] { return rung; });
}

// Each order another name's: from the question to the answer, on the thread that asks.
void mint(benchmark::State& state, tls::OwnedKey key) {
  const Owner owner(std::move(key));
  const auto mint = owner.open();
  const auto origin = certificate("www.example.com", leaf_key().get(), false);
  std::vector<double> took;
  int next = 0;
  for (auto _ : state) {
    X509_up_ref(origin.get());
    Wish wish{"host-" + std::to_string(++next) + ".example.com",
              tls::OwnedCertificate(origin.get())};
    const Instant from = Clock::now();
    wait_for(*mint, std::move(wish));
    took.push_back(std::chrono::duration<double, std::micro>(Clock::now() - from).count());
  }
  std::ranges::sort(took);
  state.counters["p50_us"] = took[took.size() / 2];
  state.counters["p99_us"] = took[took.size() * 99 / 100];
  PENSTOCK_CHECK(mint->counts().failed == 0);
}
void mint_p256(benchmark::State& state) {
  mint(state, tls::OwnedKey(EVP_EC_gen("P-256")));
}
void mint_rsa2048(benchmark::State& state) {
  mint(state, tls::OwnedKey(EVP_RSA_gen(2048)));
}
BENCHMARK(mint_p256)->UseRealTime();
BENCHMARK(mint_rsa2048)->UseRealTime();

void mint_cached(benchmark::State& state) {
  const Owner owner(tls::OwnedKey(EVP_EC_gen("P-256")));
  const auto mint = owner.open();
  const auto origin = certificate("www.example.com", leaf_key().get(), false);
  for (auto _ : state) {
    X509_up_ref(origin.get());
    wait_for(*mint, {"www.example.com", tls::OwnedCertificate(origin.get())});
  }
}
BENCHMARK(mint_cached);

// The clerk's part.
void draft(benchmark::State& state) {
  const tls::OwnedKey key(EVP_EC_gen("P-256"));
  const Engraver engraver(certificate("owner", key.get(), true).get());
  const Wish wish{"www.example.com", certificate("www.example.com", leaf_key().get(), false)};
  const time_t now = std::time(nullptr);
  for (auto _ : state) benchmark::DoNotOptimize(engraver.draft(wish, now));
}
BENCHMARK(draft);

// The keeper's.
void sign(benchmark::State& state) {
  const Owner owner(tls::OwnedKey(EVP_EC_gen("P-256")));
  std::string warning;
  const auto signet = Signet::open(owner.files(), &warning);
  const Engraver engraver(signet->certificate());
  const Wish wish{"www.example.com", certificate("www.example.com", leaf_key().get(), false)};
  const auto draft = engraver.draft(wish, std::time(nullptr));
  for (auto _ : state) benchmark::DoNotOptimize(signet->sign(draft->tbs));
}
BENCHMARK(sign);

// What the message to the keeper and back takes: it refuses at once.
void keeper_round_trip(benchmark::State& state) {
  const Owner owner(tls::OwnedKey(EVP_EC_gen("P-256")));
  Keeper keeper = owner.keeper();
  std::string warning;
  PENSTOCK_CHECK(keeper.start(&warning));
  std::string why;
  for (auto _ : state) benchmark::DoNotOptimize(keeper.sign("nonsense", &why));
}
BENCHMARK(keeper_round_trip)->UseRealTime();

}  // namespace
}  // namespace penstock::bump

// The keeper is this program, as the proxy's is the proxy's.
int main(int argc, char** argv) {
  if (argc > 4 && std::string_view(argv[1]) == "keep-key") {
    return penstock::bump::keep_key({argv[2], argv[3], argv[4]});
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
