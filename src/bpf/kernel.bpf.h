// The few kernel types that are read here, and of them the fields that are read. Offsets are not
// those of this page: preserve_access_index lets libbpf put in those of the running kernel (CO-RE),
// so neither a committed vmlinux.h nor kernel headers are needed.
#pragma once

#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <stdbool.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "bpf/shared.h"

// bpf.h has BPF_TCP_* of the states; these are not in any header that BPF may include.
enum { kInet = 2, kInet6 = 10 };
enum { kErrConnectionReset = 104, kErrBrokenPipe = 32, kErrConnectionRefused = 111 };

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

// The part behind ___ is for C alone: libbpf looks for in6_addr.
struct in6_addr___kernel {
  union {
    __u8 u6_addr8[16];
  } in6_u;
};

struct sock_common {
  __be32 skc_daddr;
  __be32 skc_rcv_saddr;
  __be16 skc_dport;
  __u16 skc_num;
  unsigned short skc_family;
  volatile unsigned char skc_state;
  struct in6_addr___kernel skc_v6_daddr;
  struct in6_addr___kernel skc_v6_rcv_saddr;
};

struct sock {
  struct sock_common __sk_common;
  int sk_err;
};

struct minmax_sample {
  __u32 t;
  __u32 v;
};

struct minmax {
  struct minmax_sample s[3];
};

struct tcp_sock {
  __u32 srtt_us;
  struct minmax rtt_min;
};

struct request_sock {
  struct sock_common __req_common;
};

struct tcp_request_sock {
  __u64 snt_synack;
};

struct ns_common {
  unsigned int inum;
};

struct pid_namespace {
  struct ns_common ns;
};

struct upid {
  int nr;
  struct pid_namespace* ns;
};

struct pid {
  unsigned int level;
  struct upid numbers[1];
};

struct task_struct {
  struct task_struct* real_parent;
  struct task_struct* group_leader;
  struct pid* thread_pid;
  char comm[16];
};

#pragma clang attribute pop
