// Who opens this connection? Asked in the context of the thread that calls connect(), listen() or
// accept(): elsewhere the running thread has nothing to do with the socket.
#pragma once

#include "bpf/tally.bpf.h"

enum {
  kAncestorsMax = 8,   // a child of a child of ...; further ones are not looked for
  kNamespacesMax = 8,  // of pids, one within the other
};

// The number of a process as its tracer sees it: in a container that is not the kernel's own.
static __u32 pid_as_seen(struct task_struct* leader) {
  struct pid* pid = leader->thread_pid;
  const __u32 level = BPF_CORE_READ(pid, level);
  const char* numbers = (const char*)pid + bpf_core_field_offset(struct pid, numbers);
  for (__u32 i = 0; i < kNamespacesMax; i++) {
    if (i > level) break;
    struct upid upid = {};
    bpf_probe_read_kernel(&upid, sizeof(upid), numbers + i * bpf_core_type_size(struct upid));
    if (BPF_CORE_READ(upid.ns, ns.inum) == settings.pid_namespace) return upid.nr;
  }
  return 0;
}

static bool has_name(struct task_struct* leader) {
  char name[sizeof(settings.name)] = {};
  bpf_probe_read_kernel_str(name, sizeof(name), leader->comm);
  for (__u32 i = 0; i < sizeof(name); i++) {
    if (name[i] != settings.name[i]) return false;
    if (!name[i]) break;
  }
  return true;
}

static bool wanted_by_process(void) {
  struct task_struct* task = bpf_get_current_task_btf();
  for (__u32 i = 0; i < kAncestorsMax; i++) {
    struct task_struct* leader = task->group_leader;
    if (settings.pid ? pid_as_seen(leader) == settings.pid : has_name(leader)) return true;
    task = leader->real_parent;
    if (task == leader) break;
  }
  return false;
}

static bool is_wanted(void) {
  return (!settings.pid && !settings.by_name) || wanted_by_process();
}
