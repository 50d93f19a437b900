"""CPU time and memory of a process and of everything that it started.

CPU comes from the kernel's CPU clock of the process, which has nanoseconds and counts all of its
threads, those that have ended too (a thread per connection hides nothing). /proc/PID/stat would
have ticks of 10 ms, and /proc/PID/task/*/schedstat forgets a thread with its last breath. The two
were compared for processes whose threads stay: they agree within 0.1 %, and each run of the bench
compares them again (`schedstat_ns`) and writes the result into its report.
"""

import contextlib
import os
import time

CPUCLOCK_SCHED = 2  # include/linux/posix-timers_types.h: utime and stime as the scheduler saw them
TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def clock_of(pid):
    """The clock id of a process's CPU time, as clock_getcpuclockid(3) makes it: the complement of
    the process id, three bits for what is meant. Negative, so no clock of the system is hit."""
    return (~pid << 3) | CPUCLOCK_SCHED


def process_ns(pid):
    return time.clock_gettime_ns(clock_of(pid))


def stat_fields(text):
    """The fields of /proc/PID/stat behind the program's name, which may hold blanks and brackets.
    Field N of proc(5) is at N - 3."""
    return text[text.rindex(")") + 2:].split()


def read_stat(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        return stat_fields(file.read())


def reaped_ns(fields):
    """What children used that have ended and been waited for: cutime and cstime, in ticks."""
    return (int(fields[13]) + int(fields[14])) * TICK_NS


def tree(root):
    """`root` and everything below it that lives, by parent process."""
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                children.setdefault(int(read_stat(name)[1]), []).append(int(name))
            except (OSError, ValueError):
                continue  # ended while we looked
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def tree_ns(root):
    """CPU time of `root`, its descendants, and of those of them that have ended and were waited
    for. Nanoseconds for the living; a child's time is rounded to 10 ms when it ends."""
    total = 0
    for pid in tree(root):
        try:
            total += process_ns(pid) + reaped_ns(read_stat(pid))
        except OSError:
            continue  # ended since tree(): its parent has its time by now, or will at the next look
    return total


def schedstat_ns(pid):
    """The same for the living threads of one process, by another way: the scheduler's own sum."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as file:
            total += int(file.read().split()[0])
    return total


def anonymous_kib_of(smaps_rollup):
    """Pss_Anon of a /proc/PID/smaps_rollup, in KiB."""
    for line in smaps_rollup.splitlines():
        if line.startswith("Pss_Anon:"):
            return int(line.split()[1])
    raise ValueError("no Pss_Anon: smaps_rollup is that of a kernel before 5.4")


def most_memory_kib(root):
    """The most that each process of the tree has ever had in memory, files and all, added up."""
    total = 0
    for pid in tree(root):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/status", encoding="utf-8") as file:
            total += most_memory_kib_of(file.read())
    return total


def most_memory_kib_of(status):
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1])


def anonymous_kib(root):
    """Resident anonymous memory of the process tree.

    Pss_Anon is RssAnon with a page that several processes share counted once, so that a fork does
    not look like memory; and it walks the page tables, where the counter behind RssAnon in
    /proc/PID/status lags by up to 32 pages per CPU since Linux 6.2. The kernel's memory (sockets,
    pipes) is in neither: it is the same for everybody but for pipes."""
    total = 0
    for pid in tree(root):
        try:
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
                total += anonymous_kib_of(file.read())
        except ProcessLookupError:
            continue
    return total
