#include "bump/mint.h"

#include <gmock/gmock.h>

#include <atomic>
#include <csignal>

#include "bump/facts.h"
#include "bump/rig_test.h"
#include "bump/root.h"
#include "bump/signing_key.h"
#include "tls/context.h"

namespace penstock::bump {
namespace {

class Mints : public Owned {
 protected:
  int verdict(const Leaf& leaf, const X509* root) {
    return verdict_of(leaf.certificate.get(), leaf.chain.get(), root, kName);
  }
  std::string fault_of(const config::Inspection& settings) {
    Faults warnings;
    const auto mint = Mint::open(settings, &warnings);
    EXPECT_FALSE(mint);
    return mint ? std::string() : mint.error().front().message;
  }
};

TEST_F(Mints, MakeALeafOnceAndHaveItFromThenOn) {
  const auto mint = open(settings());
  const auto first = made(*mint, {kName, origin()});
  ASSERT_TRUE(first);
  EXPECT_EQ(verdict(**first, authority_.certificate()), X509_V_OK);
  const auto mirrored = origin();
  const auto second = made(*mint, {kName, copy_of(mirrored.get())});
  ASSERT_TRUE(second);
  EXPECT_NE(*first, *second) << "another certificate of the origin";
  const auto third = made(*mint, {kName, copy_of(mirrored.get())});
  ASSERT_TRUE(third);
  EXPECT_EQ(*second, *third);
  EXPECT_EQ(mint->counts().minted, 2u);
  EXPECT_EQ(mint->counts().cached, 1u);
  EXPECT_EQ(mint->counts().in_cache, 2u);
}

TEST_F(Mints, KeepLeavesWithAndWithoutAFaultApart) {
  const auto mint = open(settings());
  const auto mirrored = origin();
  const auto good = made(*mint, {kName, copy_of(mirrored.get())});
  const auto bad = made(*mint, {kName, copy_of(mirrored.get()), X509_V_ERR_CERT_REVOKED});
  ASSERT_TRUE(good && bad);
  EXPECT_EQ(verdict(**good, authority_.certificate()), X509_V_OK);
  EXPECT_EQ(verdict(**bad, authority_.certificate()), X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);
}

// What `penstock probe` and `openssl s_client` say to whoever has not got the root.
TEST_F(Mints, ShowTheRootToThoseWhoDoNotHaveIt) {
  const auto mint = open(settings());
  const auto leaf = made(*mint, {kName, origin()});
  ASSERT_TRUE(leaf);
  EXPECT_EQ(verdict(**leaf, stranger_.certificate()), X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN);
}

TEST_F(Mints, LeavesAreShownOnASession) {
  const auto mint = open(settings());
  const auto leaf = made(*mint, {kName, origin()});
  ASSERT_TRUE(leaf);
  const auto server_context = tls::new_context(TLS_server_method());
  const auto client_context = tls::new_context(TLS_client_method());
  const tls::OwnedSsl server(SSL_new(server_context.get()));
  const tls::OwnedSsl client(SSL_new(client_context.get()));
  SSL_set_accept_state(server.get());
  SSL_set_connect_state(client.get());
  BIO* ours = nullptr;
  BIO* theirs = nullptr;
  ASSERT_EQ(BIO_new_bio_pair(&ours, 0, &theirs, 0), 1);
  SSL_set_bio(server.get(), ours, ours);
  SSL_set_bio(client.get(), theirs, theirs);
  ASSERT_TRUE((*leaf)->show(server.get()));
  for (int i = 0; i < 10 && !SSL_is_init_finished(client.get()); ++i) {
    SSL_do_handshake(client.get());
    SSL_do_handshake(server.get());
  }
  ASSERT_TRUE(SSL_is_init_finished(client.get()));
  ASSERT_EQ(sk_X509_num(SSL_get_peer_cert_chain(client.get())), 2);
  EXPECT_EQ(X509_cmp(SSL_get0_peer_certificate(client.get()), (*leaf)->certificate.get()), 0);
  EXPECT_EQ(
      X509_cmp(sk_X509_value(SSL_get_peer_cert_chain(client.get()), 1), authority_.certificate()),
      0);
}

TEST_F(Mints, FailWhereAGoodOriginIsNotForTheName) {
  const auto mint = open(settings());
  const auto leaf = made(*mint, {"example.org", origin()});
  ASSERT_FALSE(leaf);
  EXPECT_EQ(leaf.error().code, Code::kMintFailed);
  EXPECT_EQ(mint->counts().failed, 1u);
}

TEST_F(Mints, ForgetTheLeafThatWasUsedLongestAgo) {
  auto two = settings();
  two.leaves = 2;
  const auto mint = open(two);
  ASSERT_TRUE(made(*mint, {"a.example"}) && made(*mint, {"b.example"}) &&
              made(*mint, {"a.example"}));
  ASSERT_TRUE(made(*mint, {"c.example"}));
  EXPECT_EQ(mint->counts().in_cache, 2u);
  EXPECT_EQ(mint->counts().cached, 1u);
  ASSERT_TRUE(made(*mint, {"a.example"}));
  EXPECT_EQ(mint->counts().cached, 2u) << "b went";
  ASSERT_TRUE(made(*mint, {"b.example"}));
  EXPECT_EQ(mint->counts().minted, 4u);
}

// The clerk stands still while the keeper does.
class Stopped : public Mints {
 protected:
  void SetUp() override { stop(open(settings())); }
  void stop(std::shared_ptr<Mint> mint) {
    mint_ = std::move(mint);
    ASSERT_NE(mint_, nullptr);
    ::kill(mint_->keeper(), SIGSTOP);
  }
  std::variant<LeafPtr, Mint::OrderPtr> ask(const std::string& name) {
    ++asked_;
    return mint_->ask({name}, [this] {
      ++rung_;
      rung_.notify_all();
    });
  }
  void go_on() {
    ::kill(mint_->keeper(), SIGCONT);
    for (int rung = rung_; rung != asked_; rung = rung_) rung_.wait(rung);
  }

  std::shared_ptr<Mint> mint_;
  std::atomic<int> rung_ = 0;
  int asked_ = 0;
};

TEST_F(Stopped, OrdersForTheSameAreOne) {
  const auto first = std::get<Mint::OrderPtr>(ask(kName));
  const auto second = std::get<Mint::OrderPtr>(ask(kName));
  const auto other = std::get<Mint::OrderPtr>(ask("example.org"));
  EXPECT_EQ(first, second);
  EXPECT_NE(first, other);
  EXPECT_FALSE(mint_->answer(first));
  EXPECT_EQ(mint_->counts().waiting, 2u);
  go_on();
  EXPECT_EQ(mint_->counts().minted, 2u);
  EXPECT_EQ(mint_->counts().coalesced, 1u);
  EXPECT_TRUE(mint_->answer(second).value());
  EXPECT_EQ(mint_->counts().waiting, 0u);
}

TEST_F(Stopped, TooManyOrdersFailAtOnce) {
  // One with the clerk, the others in line.
  for (size_t i = 0; mint_->counts().failed == 0; ++i) {
    ASSERT_LE(i, Mint::kWaitingMax + 1);
    const auto order = std::get<Mint::OrderPtr>(ask("host-" + std::to_string(i) + ".example"));
    if (i < Mint::kWaitingMax) ASSERT_EQ(mint_->counts().failed, 0u) << i;
    if (mint_->counts().failed == 0) continue;
    EXPECT_EQ(mint_->answer(order)->error().code, Code::kMintFailed);
    EXPECT_EQ(rung_, 1);
  }
  go_on();
  EXPECT_EQ(mint_->counts().failed, 1u);
}

TEST_F(Stopped, AKeeperThatHangsIsReplaced) {
  stop(open(settings(), std::chrono::minutes(1), std::chrono::milliseconds(20)));
  const pid_t before = mint_->keeper();
  ask(kName);
  while (rung_ == 0) rung_.wait(0);
  // On a busy machine the next one may be too slow as well.
  EXPECT_GE(mint_->counts().keeper_restarts, 1u);
  EXPECT_NE(mint_->keeper(), before);
}

TEST_F(Mints, GoOnAfterTheKeeperWasKilledUnderLoad) {
  const auto mint = open(settings());
  const auto known = made(*mint, {"known.example"});
  ASSERT_TRUE(known);
  constexpr int kOrders = 300;
  std::atomic<int> rung = 0;
  for (int i = 0; i < kOrders; ++i) {
    mint->ask({"host-" + std::to_string(i) + ".example"}, [&] {
      ++rung;
      rung.notify_all();
    });
  }
  for (int seen = rung; seen < 50; seen = rung) rung.wait(seen);
  ::kill(mint->keeper(), SIGKILL);
  EXPECT_EQ(made(*mint, {"known.example"}).value(), *known) << "what is there is served meanwhile";
  for (int seen = rung; seen != kOrders; seen = rung) rung.wait(seen);
  EXPECT_EQ(mint->counts().minted, kOrders + 1u);
  EXPECT_EQ(mint->counts().failed, 0u);
  EXPECT_EQ(mint->counts().keeper_restarts, 1u);
}

TEST_F(Mints, FailClosedWhereTheKeeperCannotBeStartedAgain) {
  const auto mint = open(settings(), std::chrono::milliseconds(50));
  ASSERT_TRUE(made(*mint, {"known.example"}));
  std::filesystem::rename(authority_.key_file(), directory_ / "away");
  ::kill(mint->keeper(), SIGKILL);
  EXPECT_EQ(made(*mint, {kName}).error().code, Code::kMintFailed);
  EXPECT_TRUE(made(*mint, {"known.example"}));
  std::filesystem::rename(directory_ / "away", authority_.key_file());
  while (!made(*mint, {kName})) {  // it is tried again
  }
}

TEST_F(Mints, SayWhatIsWrongWithTheirFilesAndWhere) {
  auto wrong = settings();
  wrong.key = {directory_ / "none", {7, 3}};
  Faults warnings;
  const auto mint = Mint::open(wrong, &warnings);
  ASSERT_FALSE(mint);
  EXPECT_EQ(mint.error().front().place.line, 7);
  EXPECT_EQ(mint.error().front().message,
            "inspection.key: " + wrong.key.value + " cannot be read: No such file or directory");
  wrong = settings();
  wrong.passphrase_file.value = directory_ / "none";
  EXPECT_EQ(fault_of(wrong), "inspection.passphrase_file: " + wrong.passphrase_file.value +
                                 " cannot be read: No such file or directory");
  wrong = settings();
  wrong.ca.value = wrong.key.value;
  EXPECT_EQ(fault_of(wrong), "inspection.ca: " + wrong.ca.value +
                                 " has no certificate in PEM form (-----BEGIN CERTIFICATE-----)");
}

TEST_F(Mints, TakeNoKeyThatEverybodyCanRead) {
  std::filesystem::permissions(authority_.key_file(), std::filesystem::perms::others_read,
                               std::filesystem::perm_options::add);
  EXPECT_THAT(fault_of(settings()), testing::HasSubstr("by everybody on this machine"));
}

// OpenSSL takes the first issuer that it is shown: a client that trusts only the old root would
// stop at the new one.
TEST_F(Mints, ShowNoRootThatIsSignedByTheOneBefore) {
  const auto old_key = open_signing_key(authority_.key_file(), Secret());
  ASSERT_TRUE(old_key);
  const auto key = make_key();
  RootSpec spec;
  spec.name = "next";
  spec.from = std::time(nullptr) - 3600;
  spec.until = spec.from + 48 * 3600;
  const auto root = make_root(spec, key.get());
  const auto cross = cross_sign(root.get(), authority_.certificate(), old_key->get());
  auto changed = settings();
  changed.ca.value = file(
      "changed.pem", pem_of(root.get()) + pem_of(cross.get()) + pem_of(authority_.certificate()));
  changed.key.value = file("changed.key", std::string(pem_of_key(key.get(), Secret()).view()));
  std::filesystem::permissions(changed.key.value, std::filesystem::perms::owner_read);
  const auto leaf = made(*open(changed), {kName});
  ASSERT_TRUE(leaf);
  for (const X509* trusted : {authority_.certificate(), static_cast<const X509*>(root.get())}) {
    EXPECT_EQ(verdict_of((*leaf)->certificate.get(), (*leaf)->chain.get(), trusted, kName),
              X509_V_OK);
  }
}

TEST_F(Mints, TakeNoCertificateThatIsNoCas) {
  const auto leaf = issue({.name = kName, .alternative = "DNS:www.example.com"});
  auto wrong = settings();
  wrong.ca.value = leaf.file();
  wrong.key.value = leaf.key_file();
  EXPECT_EQ(fault_of(wrong),
            "inspection.ca: " + leaf.file() +
                " is no certification authority: it takes basicConstraints CA:TRUE "
                "and keyUsage keyCertSign (penstock ca init makes one)");
}

}  // namespace
}  // namespace penstock::bump
