#include "tls/carrier.h"

#include <cerrno>
#include <memory>

#include "base/check.h"

namespace penstock::tls {
namespace {

Carrier& carrier_of(BIO* bio) {
  return *static_cast<Carrier*>(BIO_get_data(bio));
}

int settle(long moved) {
  if (moved > 0) return static_cast<int>(moved);
  return moved == 0 ? 0 : -1;
}

int read(BIO* bio, char* into, int size) {
  BIO_clear_retry_flags(bio);
  // SAFETY: OpenSSL gives a buffer of `size` chars, and chars are bytes.
  const long moved =
      carrier_of(bio).carry_in({reinterpret_cast<uint8_t*>(into), static_cast<size_t>(size)});
  if (moved == -EAGAIN) BIO_set_retry_read(bio);
  return settle(moved);
}

int write(BIO* bio, const char* from, int size) {
  BIO_clear_retry_flags(bio);
  // SAFETY: as above.
  const long moved = carrier_of(bio).carry_out(
      {reinterpret_cast<const uint8_t*>(from), static_cast<size_t>(size)});
  if (moved == -EAGAIN) BIO_set_retry_write(bio);
  return settle(moved);
}

long control(BIO*, int command, long, void*) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

BIO_METHOD* method() {
  struct Free {
    void operator()(BIO_METHOD* made) const { BIO_meth_free(made); }
  };
  static const std::unique_ptr<BIO_METHOD, Free> kMethod = [] {
    std::unique_ptr<BIO_METHOD, Free> made(
        BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "carrier"));
    PENSTOCK_CHECK(made);
    BIO_meth_set_read(made.get(), read);
    BIO_meth_set_write(made.get(), write);
    BIO_meth_set_ctrl(made.get(), control);
    return made;
  }();
  return kMethod.get();
}

}  // namespace

BIO* bio_over(Carrier& carrier) {
  BIO* const bio = BIO_new(method());
  PENSTOCK_CHECK(bio);
  BIO_set_data(bio, &carrier);
  BIO_set_init(bio, 1);
  return bio;
}

}  // namespace penstock::tls
