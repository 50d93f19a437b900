#include "identity/read_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "sys/fd.h"

namespace penstock::identity {

FileState state_of(const std::string& path) {
  std::error_code nothing;
  FileState out;
  out.modified = std::filesystem::last_write_time(path, nothing);
  out.size = std::filesystem::file_size(path, nothing);
  return out;
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

}  // namespace penstock::identity
