#include "bump/noted.h"

#include <memory>
#include <utility>

#include "base/check.h"

namespace penstock::bump {
namespace {

void free_text(void*, void* text, CRYPTO_EX_DATA*, int, long, void*) {
  const std::unique_ptr<std::string> gone(static_cast<std::string*>(text));
}

int place() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, free_text);
  return index;
}

}  // namespace

void note(SSL* ssl, std::string text) {
  free_text(nullptr, SSL_get_ex_data(ssl, place()), nullptr, 0, 0, nullptr);
  auto owned = std::make_unique<std::string>(std::move(text));
  PENSTOCK_CHECK(SSL_set_ex_data(ssl, place(), owned.release()) == 1);
}

const std::string& noted(const SSL* ssl) {
  static const std::string kNothing;
  const auto* const text = static_cast<const std::string*>(SSL_get_ex_data(ssl, place()));
  return text ? *text : kNothing;
}

}  // namespace penstock::bump
