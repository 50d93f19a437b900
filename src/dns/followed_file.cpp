#include "dns/followed_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "sys/fd.h"

namespace penstock::dns {

FollowedFile::FollowedFile(std::string path, size_t bytes_max)
    : path_(std::move(path)), bytes_max_(bytes_max) {}

std::optional<std::string> FollowedFile::changed(Instant now) {
  if (now < next_look_) return std::nullopt;
  next_look_ = now + kInterval;
  // Before reading: what is written in between is found at the next look.
  const Stamp found = stamp();
  if (last_ == found) return std::nullopt;
  last_ = found;
  return read();
}

FollowedFile::Stamp FollowedFile::stamp() const {
  struct stat facts;
  if (::stat(path_.c_str(), &facts) != 0) return {};
  return {.modified_ns = facts.st_mtim.tv_sec * 1'000'000'000 + facts.st_mtim.tv_nsec,
          .size = facts.st_size,
          .inode = facts.st_ino};
}

std::string FollowedFile::read() const {
  // O_NONBLOCK: a FIFO in this place must not stop the thread.
  const sys::Fd file(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file) return {};
  std::string text(bytes_max_, '\0');
  size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = ::read(file.get(), text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    size += static_cast<size_t>(got);
  }
  const bool cut = size == bytes_max_;
  text.resize(size);
  // Half a line could be another name or address than the one that was written.
  if (cut) text.resize(text.rfind('\n') == std::string::npos ? 0 : text.rfind('\n') + 1);
  text.shrink_to_fit();
  return text;
}

}  // namespace penstock::dns
