#include "bump/mint.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <ctime>
#include <limits>
#include <utility>

#include "base/check.h"
#include "bump/authority.h"
#include "bump/signing_key.h"

namespace penstock::bump {
namespace {

using std::chrono::milliseconds;

// Between two starts of the keeper: doubled each time that it dies without having signed anything.
constexpr Duration kBackOffLeast = milliseconds(100);
constexpr Duration kBackOffMost = std::chrono::seconds(5);
constexpr int kTries = 2;  // of an order, in case that it is what the keeper dies of
constexpr time_t kForEver = std::numeric_limits<time_t>::max();

std::string digest_of(const X509* certificate) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes;
  unsigned int size = 0;
  PENSTOCK_CHECK(X509_digest(certificate, EVP_sha256(), bytes.data(), &size) == 1);
  // SAFETY: bytes are read as chars.
  return {reinterpret_cast<const char*>(bytes.data()), size};
}

// What a leaf depends on.
std::string key_of(const Wish& wish) {
  return (wish.origin ? digest_of(wish.origin.get()) : std::string()) + '/' +
         std::to_string(wish.fault) + '/' + wish.name;
}

std::shared_ptr<STACK_OF(X509)> chain_of(const std::vector<tls::OwnedCertificate>& certificates) {
  STACK_OF(X509)* const chain = sk_X509_new_null();
  PENSTOCK_CHECK(chain);
  for (const auto& certificate : certificates) {
    PENSTOCK_CHECK(X509_up_ref(certificate.get()) == 1);
    PENSTOCK_CHECK(sk_X509_push(chain, certificate.get()) > 0);
  }
  return {chain, [](STACK_OF(X509) * given) { sk_X509_pop_free(given, X509_free); }};
}

Faults fault_of(const config::Inspection& settings, const Signet::Fault& fault) {
  const auto& [file, key] = fault.file == KeyFile::kCa ? std::pair(&settings.ca, "ca")
                            : fault.file == KeyFile::kKey
                                ? std::pair(&settings.key, "key")
                                : std::pair(&settings.passphrase_file, "passphrase_file");
  return {{file->place, std::string("inspection.") + key + ": " + file->value + " " + fault.what}};
}

}  // namespace

class Mint::Order {
 public:
  Order(Wish wished, std::string cache_key, Instant at)
      : wish(std::move(wished)), key(std::move(cache_key)), deadline(at) {}

  const Wish wish;
  const std::string key;
  const Instant deadline;
  std::vector<std::move_only_function<void()>> ringers;  // guarded by the mint's mutex
  std::optional<Result<LeafPtr>> answer;                 // likewise
};

struct Mint::Opened {
  uint64_t leaves;
  Duration patience;
  Authority authority;
  std::unique_ptr<Keeper> keeper;
};

bool Leaf::show(SSL* ssl) const {
  SSL_set_mode(ssl, SSL_MODE_NO_AUTO_CHAIN);
  const bool shown = SSL_use_cert_and_key(ssl, certificate.get(), key.get(), chain.get(), 1) == 1;
  ERR_clear_error();
  return shown;
}

std::expected<std::shared_ptr<Mint>, Faults> Mint::open(const config::Inspection& settings,
                                                        Faults* warnings, const MintMeans& means) {
  Faults faults;
  auto authority = read_authority(settings.ca, "inspection.ca", faults, *warnings);
  Faults of_the_keeper;  // which says so when it has read the file
  judge_key_file(settings.key, "inspection.key", faults, of_the_keeper);
  if (!faults.empty()) return std::unexpected(std::move(faults));
  const KeyFiles files{settings.ca.value, settings.key.value, settings.passphrase_file.value};
  auto keeper = std::make_unique<Keeper>(means.program, files, digest_of(authority->issuer.get()),
                                         means.signing_patience);
  std::string warning;
  if (const auto started = keeper->start(&warning); !started) {
    return std::unexpected(fault_of(settings, started.error()));
  }
  if (!warning.empty()) {
    warnings->push_back(fault_of(settings, {KeyFile::kKey, warning}).front());
  }
  return std::make_shared<Mint>(
      Opened{settings.leaves, means.patience, std::move(*authority), std::move(keeper)});
}

Mint::Mint(Opened opened)
    : patience_(opened.patience),
      engraver_(opened.authority.issuer.get()),
      chain_(chain_of(opened.authority.shown)),
      no_chain_(chain_of({})),
      keeper_(std::move(opened.keeper)),
      back_off_(kBackOffLeast),
      shelf_(opened.leaves),
      keeper_pid_(keeper_->pid()),
      clerk_([this] {
        pthread_setname_np(pthread_self(), "mint");
        serve();
      }) {}

Mint::~Mint() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    called_.notify_all();
  }
  clerk_.join();
}

std::variant<LeafPtr, Mint::OrderPtr> Mint::ask(Wish wish, std::move_only_function<void()> ring) {
  const std::string key = key_of(wish);
  OrderPtr order;
  {
    const std::lock_guard lock(mutex_);
    if (const LeafPtr* const leaf = shelf_.find(key, std::time(nullptr))) {
      ++counts_.cached;
      return *leaf;
    }
    if (const auto found = open_.find(key); found != open_.end()) {
      ++counts_.coalesced;
      found->second->ringers.push_back(std::move(ring));
      return found->second;
    }
    order = std::make_shared<Order>(std::move(wish), key, Clock::now() + patience_);
    if (line_.size() < kWaitingMax) {
      order->ringers.push_back(std::move(ring));
      open_.emplace(key, order);
      line_.push_back(order);
      called_.notify_one();
      return order;
    }
    ++counts_.failed;
    order->answer = fail(Code::kMintFailed);
  }
  ring();
  return order;
}

std::optional<Result<LeafPtr>> Mint::answer(const OrderPtr& order) const {
  const std::lock_guard lock(mutex_);
  return order->answer;
}

Mint::Counts Mint::counts() const {
  const std::lock_guard lock(mutex_);
  Counts out = counts_;
  out.in_cache = shelf_.size();
  out.waiting = open_.size();
  return out;
}

pid_t Mint::keeper() const {
  const std::lock_guard lock(mutex_);
  return keeper_pid_;
}

void Mint::serve() {
  for (;;) {
    OrderPtr order;
    {
      std::unique_lock lock(mutex_);
      called_.wait(lock, [this] { return closed_ || !line_.empty(); });
      if (closed_) return;
      order = std::move(line_.front());
      line_.pop_front();
    }
    settle(*order, fulfil(*order));
  }
}

void Mint::settle(Order& order, Result<LeafPtr> answer) {
  std::vector<std::move_only_function<void()>> ringers;
  {
    const std::lock_guard lock(mutex_);
    if (answer) {
      ++counts_.minted;
      shelf_.put(order.key, *answer, (*answer)->until);
    } else {
      ++counts_.failed;
    }
    order.answer = std::move(answer);
    open_.erase(order.key);
    ringers.swap(order.ringers);
  }
  for (auto& ring : ringers) ring();
}

Result<LeafPtr> Mint::fulfil(const Order& order) {
  auto draft = engraver_.draft(order.wish, std::time(nullptr));
  if (!draft) {
    tell(observe::Level::kWarning,
         "no certificate is made for " + order.wish.name +
             ": that of its origin is not for this name, or the time of inspection.ca is over");
    return fail(Code::kMintFailed);
  }
  auto leaf = std::make_shared<Leaf>();
  leaf->key = leaf_key();
  leaf->chain = draft->tbs.empty() ? no_chain_ : chain_;
  if (!draft->tbs.empty()) {
    const auto signature = have_signed(draft->tbs, order);
    if (!signature) return std::unexpected(signature.error());
    if (!engraver_.put_signature(*draft, *signature)) return fail(Code::kMintFailed);
  }
  const auto dates = dates_of(draft->certificate.get());
  // What is over already is shown for that.
  leaf->until = order.wish.fault == X509_V_OK && dates ? dates->until : kForEver;
  leaf->certificate = std::move(draft->certificate);
  return leaf;
}

Result<std::string> Mint::have_signed(const std::string& draft, const Order& order) {
  for (int i = 0; i < kTries && wait_for_keeper(order.deadline); ++i) {
    std::string why;
    auto out = keeper_->sign(draft, &why);
    if (out) {
      back_off_ = kBackOffLeast;
      trouble_.clear();
      return std::move(*out);
    }
    if (out.error() == Keeper::Trouble::kRefused) {
      tell(observe::Level::kError,
           "the key keeper does not sign the certificate for " + order.wish.name + ": " + why);
      break;
    }
    tell(observe::Level::kError, "the key keeper has died, or hangs, and is started again");
  }
  return fail(Code::kMintFailed);
}

// False: not before `deadline`, or we are closed.
bool Mint::wait_for_keeper(Instant deadline) {
  while (!keeper_->runs()) {
    {
      std::unique_lock lock(mutex_);
      keeper_pid_ = 0;
      called_.wait_until(lock, std::min(may_start_, deadline), [this] { return closed_; });
      if (closed_) return false;
    }
    const Instant now = Clock::now();
    if (now >= deadline) return false;
    if (now < may_start_) continue;
    may_start_ = now + back_off_;
    back_off_ = std::min(2 * back_off_, kBackOffMost);
    start_keeper();
  }
  return true;
}

void Mint::start_keeper() {
  std::string warning;
  const auto started = keeper_->start(&warning);
  if (!started) {
    tell(observe::Level::kError,
         "the key keeper cannot be started again, and new tunnels cannot "
         "be inspected: its file of inspection." +
             std::string(started.error().file == KeyFile::kCa    ? "ca "
                         : started.error().file == KeyFile::kKey ? "key "
                                                                 : "passphrase_file ") +
             started.error().what);
  }
  const std::lock_guard lock(mutex_);
  ++counts_.keeper_restarts;
  keeper_pid_ = keeper_->pid();
}

// The same trouble is told once, until something has been signed again.
void Mint::tell(observe::Level level, const std::string& trouble) {
  if (trouble == trouble_) return;
  trouble_ = trouble;
  observe::say(level, trouble);
}

}  // namespace penstock::bump
