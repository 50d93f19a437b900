#!/usr/bin/env python3
"""An origin stops answering at full load: what becomes of the other one?

Two origins get the same open-loop load through one penstock. One of them is stopped (SIGSTOP, with
a listen queue of one, so that further SYNs are dropped) and goes on later. The same is done without
bulkheads, with them, and with the breaker as well. What happened is read from the access log:
set-up time and success by the second in which a connection began.

Run: scripts/bench-incident [--seconds 10] [--rate 100] [--results FOLDER]
In a network namespace of its own, with loopback only.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import incident_chart
from processes import end, free_port, spawn, wait_until_it_listens

ROOT = Path(__file__).resolve().parents[1]
BINARY = os.environ.get("PENSTOCK_BINARY", str(ROOT / "build/release/penstock"))

# Permits for half of what a dead origin would hold: rate x 5 s of dial timeout.
PENDING_SECONDS = 2.5

VARIANTS = {
    "no bulkhead": {"per_destination": 0, "adapt": "off", "failure_percent": 0},
    "bulkhead": {"per_destination": "auto", "adapt": "gradient", "failure_percent": 0},
    "bulkhead and breaker": {"per_destination": "auto", "adapt": "gradient", "failure_percent": 50},
}

CONFIG = """
listeners: [{{address: "127.0.0.1:{port}"}}]
admin: {{address: "127.0.0.1:{admin}"}}
policy: {{rules: [{{name: lab, allow: ["127.0.0.0/8:1-65535"], addresses: [127.0.0.0/8]}}]}}
limits: {{pending: {pending}, pending_per_destination: {per_destination}, adapt: {adapt}}}
breaker: {{failure_percent: {failure_percent}}}
log: {{access: "{log}"}}
"""


@dataclass
class Connection:
    began: float  # seconds since the load began
    setup_ms: float  # without the time that the client took for its head
    error: str


def only_loopback():
    """Becomes the same program in a network namespace of its own."""
    if os.environ.get("PENSTOCK_INCIDENT") != "inside":
        os.environ["PENSTOCK_INCIDENT"] = "inside"
        os.execvp("unshare", ["unshare", "--net", sys.executable, "-B", *sys.argv])
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def start_origin(port, backlog):
    """The kernel takes the smaller of what listen(2) asks for and this."""
    Path("/proc/sys/net/core/somaxconn").write_text(str(backlog), encoding="ascii")
    origin = spawn([BINARY, "load", "origin", "--listen", f"127.0.0.1:{port}"], 1,
                   stdout=subprocess.DEVNULL)
    wait_until_it_listens(origin, port, 10)
    Path("/proc/sys/net/core/somaxconn").write_text("4096", encoding="ascii")
    return origin


def start_load(proxy_port, origin_port, rate, seconds):
    return spawn([BINARY, "load", "--proxy", f"http://127.0.0.1:{proxy_port}", "--target",
                  f"127.0.0.1:{origin_port}", "--rate", str(rate), "--duration", f"{seconds}s",
                  "--timeout", "20s", "--max-open", "10000", "--max-errors", "1000000", "--json"],
                 1, stdout=subprocess.PIPE)


def read_log(path, began):
    """Connections by authority."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        if entry["method"] != "CONNECT":
            continue
        ended = datetime.fromisoformat(entry["time"].replace("Z", "+00:00")).timestamp()
        steps = sum(entry.get(step, 0) for step in ("queue_us", "resolve_us", "dial_us"))
        found.setdefault(entry["authority"], []).append(
            Connection(ended - entry["total_us"] / 1e6 - began, steps / 1e3, entry["error"]))
    return found


def run(name, args, directory):
    """(healthy, sick) as lists of Connection."""
    settings = VARIANTS[name]
    port, admin, healthy, sick = (free_port() for _ in range(4))
    log = directory / "access.log"
    log.unlink(missing_ok=True)
    config = directory / "penstock.yaml"
    config.write_text(CONFIG.format(port=port, admin=admin, log=log, **settings,
                                    pending=int(args.rate * PENDING_SECONDS)), encoding="utf-8")
    started = []
    try:
        started.append(start_origin(healthy, 4096))
        started.append(start_origin(sick, 1))
        proxy = spawn([BINARY, "run", "--config", str(config)], 0, stderr=subprocess.DEVNULL)
        started.append(proxy)
        wait_until_it_listens(proxy, port, 10)
        began = time.time()
        loads = [start_load(port, origin, args.rate, 3 * args.seconds) for origin in (healthy, sick)]
        started += loads
        time.sleep(args.seconds)
        os.killpg(started[1].pid, signal.SIGSTOP)
        time.sleep(args.seconds)
        os.killpg(started[1].pid, signal.SIGCONT)
        for load in loads:
            load.communicate(timeout=3 * args.seconds + 60)
    finally:
        for process in reversed(started):
            end(process)
    found = read_log(log, began)
    return tuple(found.get(f"127.0.0.1:{origin}", []) for origin in (healthy, sick))


def quantile(values, share):
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else float("nan")


def between(connections, first, last):
    return [one for one in connections if first <= one.began < last]


def figures(name, healthy, sick, seconds):
    quiet = between(healthy, 1, seconds)
    during = between(healthy, seconds, 2 * seconds)
    p99 = [quantile([one.setup_ms for one in part if not one.error], 0.99)
           for part in (quiet, during)]
    healed = between(sick, 2 * seconds, 3 * seconds)
    failed = [one.began for one in healed if one.error]
    return {
        "variant": name,
        "healthy_success": sum(not one.error for one in during) / max(len(during), 1),
        "healthy_p99_ms_quiet": p99[0],
        "healthy_p99_ms_during": p99[1],
        "sick_recovered_after_s": max(failed) - 2 * seconds if failed else 0.0,
        "sick_refused_at_once": sum(one.error in ("breaker_open", "destination_busy")
                                    for one in between(sick, seconds, 2 * seconds)),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=10, help="of each of the three phases")
    parser.add_argument("--rate", type=int, default=100, help="set-ups a second to each origin")
    parser.add_argument("--results", type=Path, default=ROOT / "build/bench/incident")
    args = parser.parse_args()
    only_loopback()
    args.results.mkdir(parents=True, exist_ok=True)
    runs, table = {}, []
    for name in VARIANTS:
        healthy, sick = run(name, args, args.results)
        runs[name] = {"healthy": healthy, "sick": sick}
        table.append(figures(name, healthy, sick, args.seconds))
        print(json.dumps(table[-1]), flush=True)
    (args.results / "incident.json").write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    (args.results / "incident.svg").write_text(incident_chart.svg(runs, args.seconds),
                                               encoding="utf-8")
    print(f"written to {args.results}")
    with_bulkhead = [row for row in table if row["variant"] != "no bulkhead"]
    good = all(row["healthy_success"] == 1 and row["sick_recovered_after_s"] <= 5
               for row in with_bulkhead)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
