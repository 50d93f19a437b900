"""Two proxies that differ in one thing, measured in turns: CPU of the proxy's process per CONNECT.

A pair of runs that follow each other sees the same machine, so the figure is the median of the pairs'
ratios; the order within a pair changes. On a machine that others use the quietest tenth of either says
more: what is disturbed is never cheaper for it.
"""

import json
import statistics
import subprocess

import cpu
from incident import BINARY
from processes import spawn

PROXY_CORE, LOAD_CORE = 0, 1
AT_ONCE = 64  # as in measure.py


def cpu_us_per_connect(process, port, origin, seconds):
    before = cpu.process_ns(process.pid)
    load = spawn([BINARY, "load", "--proxy", f"http://127.0.0.1:{port}", "--target",
                  f"127.0.0.1:{origin}", "--mode", "setup", "--connections", str(AT_ONCE),
                  "--json", "--duration", f"{round(seconds * 1000)}ms"], LOAD_CORE,
                 stdout=subprocess.PIPE)
    out, _ = load.communicate(timeout=seconds + 60)
    finished = json.loads(out)["finished"]
    return (cpu.process_ns(process.pid) - before) / 1e3 / finished, finished


def in_turns(at_work, origin, pairs, seconds):
    """`at_work`: two names, each with its process and port. Lists of figures by name."""
    one, other = at_work
    figures = {one: [], other: []}
    for i in range(-1, pairs):
        for name in (one, other) if i % 2 else (other, one):
            used, _ = cpu_us_per_connect(*at_work[name], origin, seconds)
            if i >= 0:  # the pair before the first warms everybody up
                figures[name].append(used)
    return figures


def quiet(values):
    """The mean of the least tenth."""
    return statistics.mean(sorted(values)[:max(1, len(values) // 10)])


def compared(figures):
    (one, before), (other, after) = figures.items()
    ratios = [b / a for a, b in zip(before, after)]
    quarter, half, three = statistics.quantiles(ratios, n=4)
    return {
        "pairs": len(ratios),
        f"{one}_cpu_us_per_connect": round(statistics.median(before), 2),
        f"{other}_cpu_us_per_connect": round(statistics.median(after), 2),
        f"{one}_quietest_tenth": round(quiet(before), 2),
        f"{other}_quietest_tenth": round(quiet(after), 2),
        "more_percent": round(100 * (half - 1), 2),
        "more_percent_quartiles": [round(100 * (at - 1), 2) for at in (quarter, three)]}
