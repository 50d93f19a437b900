"""What a figure depends on besides the programs: written into every report."""

import os
import platform
import resource
import time
from pathlib import Path


def first_of(path, key, otherwise="unknown"):
    """The value of the first `key : value` or `key=value` line of a file."""
    try:
        for line in Path(path).read_text().splitlines():
            name, found, value = line.partition("=" if "=" in line else ":")
            if found and name.strip() == key:
                return value.strip().strip('"')
    except OSError:
        pass
    return otherwise


def setting(name):
    try:
        return " ".join(Path("/proc/sys", name.replace(".", "/")).read_text().split())
    except OSError:
        return "unknown"


def steal_ticks():
    """Time that the hypervisor gave to others while something here wanted to run."""
    return int(Path("/proc/stat").read_text().split("\n", 1)[0].split()[8])


def busy_seconds(cores):
    """What these cores have worked since boot, for whomever; not what the hypervisor took."""
    ticks = 0
    for line in Path("/proc/stat").read_text().splitlines():
        name, *fields = line.split()
        if name in {f"cpu{core}" for core in cores}:
            user, nice, system, _, _, interrupts, soft = (int(field) for field in fields[:7])
            ticks += user + nice + system + interrupts + soft
    return ticks / os.sysconf("SC_CLK_TCK")


def own_seconds():
    """CPU time of this process and of all that it has started and waited for."""
    return sum(os.times()[:4])


class Meanwhile:
    """What else went on between its making and its reading. Read it when every child has ended."""

    def __init__(self, cores):
        self.cores = cores
        self.start = time.monotonic()
        self.busy, self.own, self.steal = busy_seconds(cores), own_seconds(), steal_ticks()

    def described(self):
        wall = time.monotonic() - self.start
        busy = busy_seconds(self.cores) - self.busy
        others = busy - (own_seconds() - self.own)
        stolen = (steal_ticks() - self.steal) / os.sysconf("SC_CLK_TCK")
        return {"others_percent": round(max(100 * others / (wall * len(self.cores)), 0), 1),
                "steal_percent": round(100 * stolen / (wall * os.cpu_count()), 1)}


def described(proxy_core, load_core):
    thp = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    return {
        "cpu": first_of("/proc/cpuinfo", "model name"),
        "cpus": os.cpu_count(),
        "virtual": "hypervisor" in first_of("/proc/cpuinfo", "flags", "").split(),
        "memory": first_of("/proc/meminfo", "MemTotal"),
        "kernel": platform.release(),
        "system": first_of("/etc/os-release", "PRETTY_NAME"),
        "proxy_core": proxy_core,
        "load_core": load_core,
        "descriptors": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        "root": os.geteuid() == 0,
        "load_average_at_start": round(os.getloadavg()[0], 2),
        "transparent_hugepage": thp.read_text().strip() if thp.exists() else "none",
        "settings": {name: setting(name) for name in (
            "net.ipv4.tcp_tw_reuse", "net.ipv4.ip_local_port_range", "net.core.somaxconn",
            "net.ipv4.tcp_congestion_control", "fs.pipe-max-size", "fs.pipe-user-pages-soft")},
    }
