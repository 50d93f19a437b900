#include "identity/read_file.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <system_error>

#include "sys/fd.h"

namespace penstock::identity {
namespace {

constexpr size_t kRootsBytesMax = 4 * 1024 * 1024;

struct Free {
  void operator()(BIO* bytes) const { BIO_free(bytes); }
  void operator()(X509* certificate) const { X509_free(certificate); }
};

}  // namespace

std::vector<WatchedFiles::State> WatchedFiles::look() const {
  std::vector<State> out;
  for (const std::string& path : paths_) {
    std::error_code nothing;
    out.push_back({std::filesystem::last_write_time(path, nothing),
                   std::filesystem::file_size(path, nothing)});
  }
  return out;
}

bool WatchedFiles::have_changed() {
  auto now = look();
  const bool changed = now != seen_;
  seen_ = std::move(now);
  return changed;
}

std::expected<std::string, std::string> read_file(const std::string& path, size_t bytes_max) {
  // O_NONBLOCK: a FIFO in this place must not stop the thread.
  const sys::Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  struct stat facts;
  if (!file || ::fstat(file.get(), &facts) != 0) {
    return std::unexpected("cannot be read: " + std::string(std::strerror(errno)));
  }
  if (!S_ISREG(facts.st_mode)) return std::unexpected("is not a regular file");
  // One byte more than may be there says that there are too many.
  std::string out(bytes_max + 1, '\0');
  size_t size = 0;
  for (;;) {
    const ssize_t got = ::read(file.get(), out.data() + size, out.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::unexpected("cannot be read: " + std::string(std::strerror(errno)));
    if (got == 0) break;
    size += static_cast<size_t>(got);
    if (size > bytes_max) {
      return std::unexpected("is larger than " + std::to_string(bytes_max / 1024) + " KiB");
    }
  }
  out.resize(size);
  out.shrink_to_fit();
  return out;
}

void tell(const Faults& found, const Located<std::string>& file, Faults& faults) {
  for (const Fault& fault : found) {
    const std::string line =
        fault.place.line != 0 ? ":" + std::to_string(fault.place.line) + ": " : ": ";
    faults.push_back({file.place, file.value + line + fault.message});
  }
}

std::string text_of(const Located<std::string>& file, size_t bytes_max, Faults& faults) {
  auto text = read_file(file.value, bytes_max);
  if (text) return std::move(*text);
  tell({{{}, text.error()}}, file, faults);
  return {};
}

std::optional<std::string> fault_of_roots(const std::string& path) {
  if (path.empty()) return std::nullopt;
  const auto text = read_file(path, kRootsBytesMax);
  if (!text) return path + ": " + text.error();
  const std::unique_ptr<BIO, Free> bytes(
      BIO_new_mem_buf(text->data(), static_cast<int>(text->size())));
  const std::unique_ptr<X509, Free> first(
      PEM_read_bio_X509(bytes.get(), nullptr, nullptr, nullptr));
  ERR_clear_error();
  if (first) return std::nullopt;
  return path + ": has no certificate in PEM (-----BEGIN CERTIFICATE-----)";
}

}  // namespace penstock::identity
