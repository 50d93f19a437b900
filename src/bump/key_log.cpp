#include "bump/key_log.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "base/check.h"

namespace penstock::bump {
namespace {

int slot() {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

}  // namespace

std::shared_ptr<const KeyLog> KeyLog::open(const Located<std::string>& file, Faults& faults) {
  sys::Fd fd(::open(file.value.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW,
                    S_IRUSR | S_IWUSR));
  if (fd) return std::make_shared<const KeyLog>(std::move(fd));
  faults.push_back({file.place, "inspection.key_log: cannot open " + file.value + ": " +
                                    ::strerrordesc_np(errno)});
  return nullptr;
}

void KeyLog::follow(SSL_CTX* context) const {
  PENSTOCK_CHECK(SSL_CTX_set_ex_data(context, slot(), const_cast<KeyLog*>(this)) == 1);
  SSL_CTX_set_keylog_callback(context, on_line);
}

void KeyLog::on_line(const SSL* ssl, const char* line) {
  const auto* const log =
      static_cast<const KeyLog*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), slot()));
  const std::string whole = std::string(line) + '\n';
  (void)!::write(log->file_.get(), whole.data(), whole.size());
}

}  // namespace penstock::bump
