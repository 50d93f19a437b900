#include "bump/pair.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <initializer_list>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "identity/read_file.h"
#include "sys/fd.h"

namespace penstock::bump {
namespace {

constexpr std::string_view kNew = ".penstock-new";
constexpr std::string_view kOld = ".old";
constexpr size_t kFileBytesMax = 1024 * 1024;
constexpr mode_t kPrivate = S_IRUSR | S_IWUSR;
constexpr mode_t kPublic = kPrivate | S_IRGRP | S_IROTH;

using Done = std::expected<void, std::string>;

std::string with(const std::string& path, std::string_view suffix) {
  return path + std::string(suffix);
}

std::unexpected<std::string> failed(const std::string& path, std::string_view what) {
  return std::unexpected(path + " " + std::string(what) + ": " + std::strerror(errno));
}

bool exists(const std::string& path) {
  struct stat facts{};
  return ::lstat(path.c_str(), &facts) == 0;
}

std::string folder_of(const std::string& path) {
  const auto folder = std::filesystem::path(path).parent_path();
  return folder.empty() ? "." : folder.string();
}

void sync_folder(const std::string& path) {
  const sys::Fd folder(::open(folder_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder) ::fsync(folder.get());
}

Done write_all(int fd, const std::string& path, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return failed(path, "cannot be written");
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  if (::fsync(fd) != 0) return failed(path, "cannot be written");
  return {};
}

// A file that was not there, with its rights before it has a byte. `like`: whose owner it gets.
Done write_new(const std::string& path, std::string_view bytes, mode_t mode,
               const struct stat* like = nullptr) {
  const sys::Fd file(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, kPrivate));
  if (!file) return failed(path, "cannot be made");
  Done done;
  if (like && ::fchown(file.get(), like->st_uid, like->st_gid) != 0) {
    done = failed(path, "cannot be given to the owner of the one before");
  } else if (::fchmod(file.get(), mode) != 0) {
    done = failed(path, "cannot be given its rights");
  } else {
    done = write_all(file.get(), path, bytes);
  }
  if (!done) ::unlink(path.c_str());
  return done;
}

// Never onto something that is there. Where the file system cannot promise that, the lock and a
// look have to do.
Done move_to_free(const std::string& from, const std::string& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return {};
  if (errno == EINVAL && !exists(to) && ::rename(from.c_str(), to.c_str()) == 0) return {};
  return failed(to, "cannot be put in its place");
}

// What a change that was killed had copied so far.
void remove_if_copy(const std::string& copy, const std::string& of) {
  auto kept = identity::read_file(copy, kFileBytesMax);
  auto original = identity::read_file(of, kFileBytesMax);
  if (kept && original && original->starts_with(*kept)) ::unlink(copy.c_str());
  if (kept) wipe(*kept);
  if (original) wipe(*original);
}

void undo(const PairFiles& files) {
  ::unlink(with(files.certificates, kNew).c_str());
  for (const std::string& file : {files.certificates, files.key}) {
    remove_if_copy(with(file, kOld), file);
  }
  sync_folder(files.certificates);
  ::unlink(with(files.key, kNew).c_str());  // the last, since it says that nothing has happened
  sync_folder(files.key);
}

std::expected<Recovered, std::string> recover(const PairFiles& files) {
  const std::string certificates = with(files.certificates, kNew);
  if (exists(with(files.key, kNew)) || (exists(certificates) && !exists(files.key))) {
    undo(files);
    return Recovered::kUndone;
  }
  if (!exists(certificates)) return Recovered::kNothing;
  if (::rename(certificates.c_str(), files.certificates.c_str()) != 0) {
    return failed(files.certificates, "cannot be put in its place");
  }
  sync_folder(files.certificates);
  return Recovered::kFinished;
}

std::string resolved(const std::string& path) {
  std::error_code nothing;
  const auto real = std::filesystem::canonical(path, nothing);
  return nothing ? path : real.string();
}

}  // namespace

struct PairChange::Held {
  sys::Fd lock;
  sigset_t before{};

  Held() {
    sigset_t ends;
    sigemptyset(&ends);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) sigaddset(&ends, signal);
    pthread_sigmask(SIG_BLOCK, &ends, &before);
  }
  Held(const Held&) = delete;
  ~Held() { pthread_sigmask(SIG_SETMASK, &before, nullptr); }
};

PairChange::PairChange(PairFiles files, std::unique_ptr<Held> held)
    : files_(std::move(files)), held_(std::move(held)) {}
PairChange::PairChange(PairChange&& other) noexcept = default;
PairChange::~PairChange() = default;

std::expected<PairChange, std::string> PairChange::begin(const PairFiles& named) {
  const PairFiles files{resolved(named.certificates), resolved(named.key)};
  if (files.certificates == files.key) {
    return std::unexpected(files.key + " is to be both; the key needs a file of its own");
  }
  auto held = std::make_unique<Held>();
  const std::string folder = folder_of(files.key);
  held->lock = sys::Fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!held->lock) return failed(folder, "cannot be opened");
  if (::flock(held->lock.get(), LOCK_EX | LOCK_NB) != 0) {
    return std::unexpected(folder + " is being worked in by another penstock ca; try again");
  }
  PairChange out(files, std::move(held));
  auto recovered = recover(files);
  if (!recovered) return std::unexpected(recovered.error());
  out.recovered_ = *recovered;
  return out;
}

Done PairChange::create(const std::string& certificates, const Secret& key) {
  for (const std::string& file : {files_.certificates, files_.key}) {
    if (exists(file)) {
      return std::unexpected(file +
                             " is there already, and nothing is overwritten; name another file, or "
                             "change the key of what is there by penstock ca rotate");
    }
  }
  const std::string new_key = with(files_.key, kNew);
  const std::string new_certificates = with(files_.certificates, kNew);
  Done done = write_new(new_key, key.view(), kPrivate);
  if (done) done = write_new(new_certificates, certificates, kPublic);
  if (done) {
    sync_folder(files_.certificates);
    done = move_to_free(new_key, files_.key);
    if (done) {
      sync_folder(files_.key);
      done = move_to_free(new_certificates, files_.certificates);
      if (!done) ::unlink(files_.key.c_str());
    }
  }
  if (!done) undo(files_);
  sync_folder(files_.certificates);
  return done;
}

Done PairChange::replace(const std::string& certificates, const Secret& key) {
  struct Kept {
    std::string path;
    std::string bytes;
    struct stat facts{};
  };
  std::optional<Kept> kept[2];
  const std::string* const paths[] = {&files_.certificates, &files_.key};
  for (int i = 0; i < 2; ++i) {
    const std::string old = with(*paths[i], kOld);
    if (exists(old)) {
      return std::unexpected(old +
                             " is there, of the change before this one; once no client trusts that "
                             "root alone, move it to where you keep what is over, or destroy it");
    }
    auto bytes = identity::read_file(*paths[i], kFileBytesMax);
    if (!bytes) return std::unexpected(*paths[i] + " " + bytes.error());
    kept[i] = Kept{old, std::move(*bytes)};
    if (::stat(paths[i]->c_str(), &kept[i]->facts) != 0) return failed(*paths[i], "cannot be read");
  }
  const mode_t mode = kept[0]->facts.st_mode & (S_IRWXU | S_IRWXG | S_IRWXO);
  Done done = write_new(with(files_.key, kNew), key.view(), kPrivate, &kept[1]->facts);
  if (done) done = write_new(with(files_.certificates, kNew), certificates, mode, &kept[0]->facts);
  for (const auto& one : kept) {
    if (done) done = write_new(one->path, one->bytes, kPrivate, &one->facts);
  }
  wipe(kept[1]->bytes);
  sync_folder(files_.certificates);
  sync_folder(files_.key);
  if (done && ::rename(with(files_.key, kNew).c_str(), files_.key.c_str()) != 0) {
    done = failed(files_.key, "cannot be put in its place");
  }
  if (!done) {
    undo(files_);
    return done;
  }
  sync_folder(files_.key);
  // The new key is in force; from here it can only go on.
  const auto finished = recover(files_);
  if (!finished) return std::unexpected(finished.error() + "; run this again, which ends it");
  return {};
}

bool was_interrupted(const PairFiles& files) {
  return exists(with(files.certificates, kNew)) || exists(with(files.key, kNew));
}

}  // namespace penstock::bump
