#include "observe/line_file.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>

namespace penstock::observe {
namespace {

std::string advice_for(int error) {
  switch (error) {
    case ENOENT: return "create its directory";
    case EISDIR: return "name a file, not a directory";
    case EACCES:
    case EPERM: return "let the proxy's user write there";
    case EROFS: return "name a file on a writable file system";
    case ENXIO: return "start the reader of that pipe first";
    default: return "name another file, \"stdout\" or \"off\"";
  }
}

// Where a write may end up in a line's middle, it should end behind a newline: others write to
// the same pipe, and up to PIPE_BUF bytes arrive in one piece (pipe(7)).
LineFile::Parts whole_lines_up_to(const LineFile::Parts& parts, size_t limit) {
  LineFile::Parts cut = {parts[0].substr(0, limit), {}};
  cut[1] = parts[1].substr(0, limit - cut[0].size());
  if (const size_t end = cut[1].rfind('\n'); end != cut[1].npos) {
    cut[1] = cut[1].substr(0, end + 1);
  } else if (const size_t last = cut[0].rfind('\n'); last != cut[0].npos) {
    cut = {cut[0].substr(0, last + 1), {}};
  }
  return cut;  // no newline in reach: one line longer than `limit` goes in pieces
}

}  // namespace

LineFile LineFile::open(const std::string& where, std::string* why_not) {
  LineFile file;
  if (where == "stdout" || where == "stderr") {
    const int number = where == "stdout" ? STDOUT_FILENO : STDERR_FILENO;
    file.fd_ = sys::Fd(::fcntl(number, F_DUPFD_CLOEXEC, 3));
  } else {
    // O_NONBLOCK: a named pipe without a reader answers ENXIO instead of holding up the start.
    const int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    file.fd_ = sys::Fd(::open(where.c_str(), flags, 0640));
  }
  struct stat status{};
  if (!file.fd_ || ::fstat(file.fd_.get(), &status) != 0) {
    const int error = errno;
    *why_not = "cannot open log file \"" + where + "\": " + std::strerror(error) + "; " +
               advice_for(error);
    return {};
  }
  const bool terminal = ::isatty(file.fd_.get()) == 1;
  const bool device = S_ISCHR(status.st_mode) && !terminal;  // /dev/null
  file.can_block_ = !S_ISREG(status.st_mode) && !device;
  return file;
}

long LineFile::write(const Parts& parts, std::chrono::milliseconds patience) const {
  Parts now = parts;
  if (can_block_) {
    // A pipe is writable as soon as PIPE_BUF bytes fit, so a write of that much does not block.
    // O_NONBLOCK would be surer, but it belongs to the open file, which stdout shares with
    // whoever started us.
    pollfd ready{fd_.get(), POLLOUT, 0};
    const int answer = ::poll(&ready, 1, static_cast<int>(patience.count()));
    if (answer == 0 || (answer < 0 && errno == EINTR)) return 0;
    if (answer < 0) return -errno;
    now = whole_lines_up_to(parts, PIPE_BUF);
  }
  std::array<iovec, 2> vectors{};
  for (size_t i = 0; i < vectors.size(); ++i) {
    // writev() takes a pointer to non-const and writes nothing there.
    vectors[i] = {const_cast<char*>(now[i].data()), now[i].size()};
  }
  const ssize_t written = ::writev(fd_.get(), vectors.data(), now[1].empty() ? 1 : 2);
  if (written >= 0) return written;
  return errno == EAGAIN || errno == EINTR ? 0 : -errno;
}

}  // namespace penstock::observe
