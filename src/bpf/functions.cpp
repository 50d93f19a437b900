#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "bpf/cgroup.h"
#include "bpf/loading.h"
#include "bpf/source.h"

using penstock::bpf::Settings;  // the skeleton names them without a namespace
#include "functions.skel.h"

namespace penstock::bpf {
namespace {

class Functions final : public Source {
 public:
  Functions(Object<functions_bpf> object, std::vector<Link> links, Entry entry)
      : object_(std::move(object)), links_(std::move(links)), entry_(entry) {}

  Readings read() override {
    return read_maps(object_->maps.distributions, object_->maps.counts, object_->bss->lost);
  }
  bool measures(Measure) const override { return true; }
  bool counts(Event) const override { return true; }
  std::string what() const override {
    return fmt::format("{} on {} kernel functions", entry_ == Entry::kFentry ? "fentry" : "kprobe",
                       links_.size());
  }

 private:
  Object<functions_bpf> object_;
  std::vector<Link> links_;  // before the object goes
  Entry entry_;
};

bool belongs_to(const bpf_program* program, Entry entry) {
  const std::string_view section = bpf_program__section_name(program);
  const bool probe = section.starts_with("kprobe/") || section.starts_with("kretprobe/");
  return probe == (entry == Entry::kKprobe);
}

}  // namespace

Opened open_functions(const Wanted& wanted, Entry entry) {
  const std::string_view name = entry == Entry::kFentry ? "fentry" : "kprobe";
  auto object = open_object<functions_bpf>(name);
  if (!object) return std::unexpected(object.error());
  Settings settings = settings_for(wanted);
  if (!wanted.cgroup.empty()) {
    const auto at = cgroup_place(wanted.cgroup);
    if (!at) return std::unexpected(fmt::format("{}: {}", name, at.error()));
    settings.cgroup = at->id;
    settings.cgroup_level = at->level;
  }
  functions_bpf& skeleton = **object;
  skeleton.rodata->settings = settings;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, skeleton.obj) {
    bpf_program__set_autoload(program, belongs_to(program, entry));
  }
  if (const int error = functions_bpf::load(&skeleton); error != 0) {
    return std::unexpected(refusal(name, -error));
  }
  std::vector<Link> links;
  bpf_object__for_each_program(program, skeleton.obj) {
    if (!belongs_to(program, entry)) continue;
    Link link(bpf_program__attach(program));
    if (!link) return std::unexpected(refusal(name, errno));
    links.push_back(std::move(link));
  }
  return std::make_unique<Functions>(std::move(*object), std::move(links), entry);
}

}  // namespace penstock::bpf
