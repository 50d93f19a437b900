#include "bpf/loading.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <utility>

#include "bpf/capabilities.h"
#include "sys/fd.h"

namespace penstock::bpf {
namespace {

// The first warning since the last refusal: the later ones say that something failed because of it.
// One thread loads programs, so nothing guards it.
std::string& first_warning() {
  static std::string warning;
  return warning;
}

int keep_warning(libbpf_print_level level, const char* format, va_list arguments) {
  if (level != LIBBPF_WARN || !first_warning().empty()) return 0;
  std::array<char, 512> text;
  const int length = std::vsnprintf(text.data(), text.size(), format, arguments);
  std::string said(text.data(), std::clamp<size_t>(static_cast<size_t>(std::max(length, 0)), 0,
                                                   text.size() - 1));
  while (said.ends_with('\n')) said.pop_back();
  if (said.starts_with("libbpf: ")) said.erase(0, 8);
  first_warning() = said;
  return 0;
}

template <class Key, class Value>
void for_each(const bpf_map* map, const auto& take) {
  const int fd = bpf_map__fd(map);
  Key key{}, next{};
  const void* from = nullptr;
  // Entries are never deleted, so the walk cannot start again; a bound is a bound all the same.
  for (uint32_t i = 0; i <= bpf_map__max_entries(map); ++i) {
    if (bpf_map_get_next_key(fd, from, &next) != 0) return;
    Value value{};
    if (bpf_map_lookup_elem(fd, &next, &value) == 0) take(next, value);
    key = next;
    from = &key;
  }
}

}  // namespace

void quiet_libbpf() {
  libbpf_set_print(keep_warning);
  first_warning().clear();
}

Link attach_to_cgroup(const bpf_program* program, const std::string& directory) {
  const sys::Fd cgroup(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return Link(cgroup ? bpf_program__attach_cgroup(program, cgroup.get()) : nullptr);
}

std::string refusal(std::string_view source, int error) {
  const std::string warning = std::exchange(first_warning(), {});
  const std::string lacking = lacking_capabilities(effective_capabilities());
  if ((error == EPERM || error == EACCES) && !lacking.empty()) {
    return fmt::format("{}: this process lacks {}", source, lacking);
  }
  return fmt::format("{}: {}{}", source, std::strerror(error),
                     warning.empty() ? "" : " (" + warning + ")");
}

Settings settings_for(const Wanted& wanted) {
  Settings out{};
  out.pid = static_cast<uint32_t>(wanted.pid);
  out.by_destination = wanted.by_destination ? 1 : 0;
  out.by_name = wanted.name.empty() ? 0 : 1;
  // Names of processes have at most 15 bytes.
  std::copy_n(wanted.name.begin(), std::min(wanted.name.size(), sizeof(out.name) - 1), out.name);
  struct stat ours{};
  if (stat("/proc/self/ns/pid", &ours) == 0) {
    out.pid_namespace = static_cast<uint32_t>(ours.st_ino);
  }
  return out;
}

Readings read_maps(const bpf_map* distributions, const bpf_map* counts, uint64_t lost) {
  Readings out;
  out.lost = lost;
  for_each<Series, Distribution>(distributions, [&](const Series& key, const Distribution& value) {
    out.distributions[{where(key.group), static_cast<Measure>(key.what)}] = value;
  });
  for_each<Series, uint64_t>(counts, [&](const Series& key, uint64_t value) {
    out.counts[{where(key.group), static_cast<Event>(key.what), key.detail}] = value;
  });
  return out;
}

}  // namespace penstock::bpf
