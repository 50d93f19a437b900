#include "bump/noted.h"

#include <memory>
#include <utility>

#include "base/check.h"

namespace penstock::bump {
namespace {

void forget(void*, void* what, CRYPTO_EX_DATA*, int, long, void*) {
  const std::unique_ptr<Noted> gone(static_cast<Noted*>(what));
}

int place() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, forget);
  return index;
}

}  // namespace

void note(SSL* ssl, Noted what) {
  forget(nullptr, SSL_get_ex_data(ssl, place()), nullptr, 0, 0, nullptr);
  auto owned = std::make_unique<Noted>(std::move(what));
  PENSTOCK_CHECK(SSL_set_ex_data(ssl, place(), owned.release()) == 1);
}

const Noted& noted(const SSL* ssl) {
  static const Noted kNothing;
  const auto* const what = static_cast<const Noted*>(SSL_get_ex_data(ssl, place()));
  return what ? *what : kNothing;
}

}  // namespace penstock::bump
