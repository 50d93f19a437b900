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
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import cpu
from incident import BINARY, only_loopback
from processes import end, free_port, spawn, wait_until_it_listens

CONFIG = """
listeners: [{{address: "127.0.0.1:{port}"}}]
workers: 1
policy: {{rules: [{{name: lab, allow: ["127.0.0.1:1-65535"]}}]}}
observe: {{kernel: {kernel}}}
log: {{access: {folder}/{kernel}.log}}
"""
PROXY_CORE, LOAD_CORE = 0, 1
AT_ONCE = 64  # as in measure.py


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


def cpu_us_per_connect(process, port, origin, seconds):
    before = cpu.process_ns(process.pid)
    load = spawn([BINARY, "load", "--proxy", f"http://127.0.0.1:{port}", "--target",
                  f"127.0.0.1:{origin}", "--mode", "setup", "--connections", str(AT_ONCE),
                  "--json", "--duration", f"{round(seconds * 1000)}ms"], LOAD_CORE,
                 stdout=subprocess.PIPE)
    out, _ = load.communicate(timeout=seconds + 60)
    finished = json.loads(out)["finished"]
    return (cpu.process_ns(process.pid) - before) / 1e3 / finished, finished


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
    figures = {"off": [], "auto": []}
    try:
        wait_until_it_listens(origin, port, 10)
        with proxy(folder, mount, "off") as off, proxy(folder, mount, "auto") as auto:
            at_work = {"off": off, "auto": auto}
            for i in range(-1, pairs):
                for kernel in ("off", "auto") if i % 2 else ("auto", "off"):
                    used, _ = cpu_us_per_connect(*at_work[kernel], port, seconds)
                    if i >= 0:  # the pair before the first warms everybody up
                        figures[kernel].append(used)
            with program_times() as spent:
                before = spent()
                _, finished = cpu_us_per_connect(*at_work["auto"], port, seconds)
                program_us = (spent() - before) / 1e3 / finished
    finally:
        end(origin)
    said = (folder / "auto.stderr").read_text()
    assert "the kernel times connects" in said, said
    return figures, program_us


def quiet(values):
    """The mean of the least tenth."""
    return statistics.mean(sorted(values)[:max(1, len(values) // 10)])


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
    ratios = [auto / off for off, auto in zip(figures["off"], figures["auto"])]
    quarter, half, three = statistics.quantiles(ratios, n=4)
    print(json.dumps({
        "pairs": len(ratios),
        "off_cpu_us_per_connect": round(statistics.median(figures["off"]), 2),
        "auto_cpu_us_per_connect": round(statistics.median(figures["auto"]), 2),
        "off_quietest_tenth": round(quiet(figures["off"]), 2),
        "auto_quietest_tenth": round(quiet(figures["auto"]), 2),
        "program_us_per_connect": round(program_us, 3),
        "more_percent": round(100 * (half - 1), 2),
        "more_percent_quartiles": [round(100 * (at - 1), 2) for at in (quarter, three)]}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
