#!/usr/bin/env python3
"""What the kernel's clock (`observe.kernel: auto`) costs per CONNECT: two proxies that differ in
nothing else, each in a cgroup of its own, measured in turns.

A pair of runs that follow each other sees the same machine, so the figure is the median of the pairs'
ratios; the order within a pair changes. CPU is that of the proxy's process. On a machine that others
use, the quietest tenth of either kind says more: what is disturbed is never cheaper for it. Beside
it stands what the kernel itself says of the program's time (kernel.bpf_stats_enabled).

Run: scripts/bench-kernel-clock [--pairs 30] [--seconds 1]
As root, in a network namespace of its own, with loopback only.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from incident import BINARY, only_loopback
from pairs import LOAD_CORE, PROXY_CORE, compared, cpu_us_per_connect, in_turns
from processes import end, free_port, spawn, wait_until_it_listens

CONFIG = """
listeners: [{{address: "127.0.0.1:{port}"}}]
workers: 1
policy: {{rules: [{{name: lab, allow: ["127.0.0.1:1-65535"]}}]}}
observe: {{kernel: {kernel}}}
log: {{access: {folder}/{kernel}.log}}
"""


@contextlib.contextmanager
def cgroup(mount, name):
    path = Path(mount) / f"penstock-bench-{os.getpid()}-{name}"
    path.mkdir()
    try:
        yield path
    finally:
        path.rmdir()


@contextlib.contextmanager
def proxy(folder, mount, kernel):
    """A proxy at work; its process and its port."""
    port = free_port()
    config = folder / f"{kernel}.yaml"
    config.write_text(CONFIG.format(port=port, kernel=kernel, folder=folder))
    with cgroup(mount, kernel) as home, open(folder / f"{kernel}.stderr", "wb") as said:
        enter = f"echo $$ >{home}/cgroup.procs && exec {BINARY} run --config {config}"
        process = spawn(["sh", "-c", enter], PROXY_CORE, stdout=subprocess.DEVNULL, stderr=said)
        try:
            wait_until_it_listens(process, port, 10)
            yield process, port
        finally:
            end(process)


@contextlib.contextmanager
def program_times():
    """A function that gives the nanoseconds which programs named `stamp` have run, all together."""
    switch = Path("/proc/sys/kernel/bpf_stats_enabled")
    before = switch.read_text(encoding="ascii")
    switch.write_text("1", encoding="ascii")
    try:
        def spent():
            shown = subprocess.run(["bpftool", "-j", "prog", "show", "name", "stamp"],
                                   capture_output=True, text=True, check=True).stdout
            found = json.loads(shown)
            return sum(one.get("run_time_ns", 0)
                       for one in (found if isinstance(found, list) else [found]))
        yield spent
    finally:
        switch.write_text(before, encoding="ascii")


def measure(folder, mount, pairs, seconds):
    port = free_port()
    origin = spawn([BINARY, "load", "origin", "--listen", f"127.0.0.1:{port}"], LOAD_CORE,
                   stdout=subprocess.DEVNULL)
    try:
        wait_until_it_listens(origin, port, 10)
        with proxy(folder, mount, "off") as off, proxy(folder, mount, "auto") as auto:
            figures = in_turns({"off": off, "auto": auto}, port, pairs, seconds)
            with program_times() as spent:
                before = spent()
                _, finished = cpu_us_per_connect(*auto, port, seconds)
                program_us = (spent() - before) / 1e3 / finished
    finally:
        end(origin)
    said = (folder / "auto.stderr").read_text()
    assert "the kernel times connects" in said, said
    return figures, program_us


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=1)
    asked = parser.parse_args()
    only_loopback()
    with tempfile.TemporaryDirectory() as folder:
        mount = Path(folder) / "cgroup2"
        mount.mkdir()
        subprocess.run(["mount", "-t", "cgroup2", "none", str(mount)], check=True)
        try:
            figures, program_us = measure(Path(folder), mount, asked.pairs, asked.seconds)
        finally:
            subprocess.run(["umount", str(mount)], check=True)
    print(json.dumps({**compared(figures), "program_us_per_connect": round(program_us, 3)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
