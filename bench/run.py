"""penstock beside other proxies: starts them, measures them in turn, writes the report.

Run it by `make bench` or `make bench-quick`. Exit status: 0, every figure is there; 1, something
failed, and the report says what; 2, this machine or this call will not do.
"""

import argparse
import contextlib
import datetime
import json
import os
import resource
import shlex
import signal
import sys
import time
from pathlib import Path

import chart
import cpu
import ends
import figures
import machine
import measure
import peers
import processes
import table

ROOT = Path(__file__).resolve().parents[1]
QUICK_PEERS = ("haproxy", "squid")
# A run is over by then: no further round is begun that would not fit.
MINUTES_MOST = 14.5


class Run:
    """What a run has found so far."""

    def __init__(self, plan, binary, proxy_core, load_core):
        self.plan = plan
        self.binary = binary
        self.proxy_core = proxy_core
        self.load_core = load_core
        self.began = time.monotonic()
        self.failures = []
        self.rounds = []
        self.flat = []
        self.rate = 0.0
        self.schedstat_ratio = None

    def say(self, text):
        seconds = int(time.monotonic() - self.began)
        print(f"[{seconds // 60:2d}:{seconds % 60:02d}] {text}", file=sys.stderr, flush=True)

    def failed(self, text):
        self.failures.append(str(text))
        self.say(f"FAILED: {text}")

    def time_is_up(self, round_seconds):
        if time.monotonic() - self.began + round_seconds < MINUTES_MOST * 60:
            return False
        self.failed(f"no time for another round within {MINUTES_MOST} minutes")
        return True

    @contextlib.contextmanager
    def noted(self, what):
        """A figure that cannot be had is a line in the report, and the others go on."""
        try:
            yield
        except (processes.StartFailed, ends.LoadFailed, OSError) as error:
            self.failed(f"{what}: {error}")

    def calibrate(self, bench, wanted, ports):
        """Starts each peer once. Those that work go on; half of what the slowest can do is the
        rate at which latency is measured."""
        capacities = {}
        for peer in wanted:
            with self.noted("start"), peers.running(
                    peer, self.proxy_core, ports[peer.name]) as at_work:
                capacities[peer.name] = bench.set_up(at_work, 0.7)["setups_per_second"]
        self.say("set-ups/s: " + ", ".join(f"{k} {v:.0f}" for k, v in capacities.items()))
        self.rate = min(capacities.values(), default=0) / 2
        return [peer for peer in wanted if peer.name in capacities]

    def one_round(self, bench, number, ready, ports):
        """Every column for one peer after the other: what drifts on the machine meanwhile hits
        all of them alike. Each round begins with another one, so that nobody always comes behind
        the same neighbour. Fresh processes, so that a round owes nothing to the one before."""
        found = {peer.name: {"_": {}} for peer in ready}
        with contextlib.ExitStack() as stack:
            at_work = []
            for peer in ready:
                with self.noted(f"round {number}, start"):
                    at_work.append(stack.enter_context(peers.running(
                        peer, self.proxy_core, ports[peer.name])))
            at_work = rotated(at_work, number - 1)
            for what, column in measure.columns(bench, self.plan, self.rate):
                for running in at_work:
                    with self.noted(f"round {number}, {what}"):
                        got = column(running)
                        found[running.peer.name]["_"].update(got.pop("_", {}))
                        found[running.peer.name].update(got)
                self.say(f"round {number} of {self.plan.rounds}: {what}")
            for running in at_work:
                if running.peer.name == "penstock" and running.alive():
                    pid = running.process.pid
                    self.schedstat_ratio = cpu.process_ns(pid) / cpu.schedstat_ns(pid)
        self.rounds.append(found)

    def compare(self, wanted):
        ports = {peer.name: processes.free_port() for peer in wanted}
        with ends.origin(self.binary, self.load_core, list(ports.values())) as origin:
            bench = measure.Bench(ends.Load(self.binary, self.load_core), origin)
            ready = self.calibrate(bench, wanted, ports)
            took = 0.0
            for number in range(1, self.plan.rounds + 1):
                if not ready or self.time_is_up(took):
                    break
                start = time.monotonic()
                self.one_round(bench, number, ready, ports)
                took = time.monotonic() - start

    def flatness(self):
        """CPU per CONNECT of penstock alone, with few and many tunnels and rules, in turn."""
        few_rules, many_rules = self.plan.flat_rules
        few_tunnels, many_tunnels = self.plan.flat_tunnels
        # Two descriptors for each tunnel in the proxy, and some for itself.
        room = (resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 1500) // 2
        many_tunnels = min(many_tunnels, room)
        runs = {name: [] for name in ("tunnels few", "tunnels many", "rules few", "rules many")}
        port, beside = processes.free_port(), processes.free_port()
        with contextlib.ExitStack() as stack:
            origin = stack.enter_context(ends.origin(self.binary, self.load_core, [port, beside]))
            bench = measure.Bench(ends.Load(self.binary, self.load_core), origin)

            def start(count):
                peer = peers.penstock(self.binary, count)
                return stack.enter_context(peers.running(peer, self.proxy_core, port, 60.0))

            def with_others(count):
                return bench.beside_idle_tunnels(usual, self.plan.flat_setup, count, beside)

            usual, short, long = start(1000), start(few_rules), start(many_rules)
            seconds, took = self.plan.flat_setup, 0.0
            for number in range(1, self.plan.flat_rounds + 1):
                if self.time_is_up(took):
                    break
                began = time.monotonic()
                for name, run in (
                        ("tunnels few", lambda: with_others(few_tunnels)),
                        ("tunnels many", lambda: with_others(many_tunnels)),
                        ("rules few", lambda: bench.set_up(short, seconds)["setup_cpu_us"]),
                        ("rules many", lambda: bench.set_up(long, seconds)["setup_cpu_us"])):
                    runs[name].append(None)
                    with self.noted(f"flatness, {name}"):
                        runs[name][-1] = run()
                self.say(f"flatness, round {number} of {self.plan.flat_rounds}")
                took = time.monotonic() - began
        self.flat = [
            series("tunnels", "other tunnels open", few_tunnels, many_tunnels, runs),
            series("rules", "rules in the policy", few_rules, many_rules, runs)]
        self.flat = [one for one in self.flat if one]


def rotated(items, by):
    by %= max(len(items), 1)
    return items[by:] + items[:by]


def series(key, title, few, many, runs):
    """A flatness series for the report; nothing if one of its ends gave no figure at all."""
    low, high = runs[f"{key} few"], runs[f"{key} many"]
    at_few, at_many = figures.figure(low, low), figures.figure(high, low)
    if not at_few or not at_many or at_many.ratio is None:
        return None
    return {"key": key, "title": title, "few": {"count": few, **at_few.__dict__},
            "many": {"count": many, **at_many.__dict__}}


def busy_of(rounds, name):
    """Medians of how busy either core was, by run."""
    kinds = sorted({kind for one in rounds for kind in one.get(name, {}).get("_", {})})
    medians = {}
    for kind in kinds:
        seen = [one[name]["_"][kind] for one in rounds if kind in one.get(name, {}).get("_", {})]
        medians[kind] = {core: round(figures.figure([run[core] for run in seen], []).median, 3)
                         for core in ("proxy_core", "load_core")}
    return medians


def reported(run, wanted, kind, about):
    """The report, as results.json holds it."""
    keys = [column.key for column in figures.COLUMNS]
    summary = figures.summarised(run.rounds, [peer.name for peer in wanted], "penstock", keys)
    return {
        "kind": kind,
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        # Without the folders of whoever ran it.
        "command": shlex.join(["bench/run.py", *sys.argv[1:]]),
        "minutes": round((time.monotonic() - run.began) / 60, 1),
        "machine": about,
        "plan": run.plan.__dict__,
        "rounds": len(run.rounds),
        "rate": round(run.rate),
        "schedstat_ratio": run.schedstat_ratio,
        "failures": run.failures,
        "peers": [{
            "name": peer.name, "title": peer.title, "way": peer.way,
            "version": peers.version_of(peer),
            "figures": {key: figure.__dict__ if figure else None
                        for key, figure in summary[peer.name].items()},
            "busy": busy_of(run.rounds, peer.name),
        } for peer in wanted],
        "flatness": run.flat,
    }


def write(report, folder):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    (folder / "results.md").write_text(table.markdown(report), encoding="utf-8")
    (folder / "chart.svg").write_text(chart.svg(report), encoding="utf-8")


def refuse(text):
    """Ends with a sentence: this machine or this call will not do."""
    print(f"bench: {text}", file=sys.stderr)
    sys.exit(2)


def two_cores():
    """(for the proxy, for load and origin). Core 0 often serves interrupts, so the proxy gets the
    last one."""
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        refuse("needs two CPUs, one for the proxy and one for load and origin; "
               f"this process may use {len(allowed)}")
    return allowed[-1], allowed[0]


def wanted_peers(binary, names):
    everybody = (peers.penstock(binary, 1000), *peers.RIVALS)
    unknown = set(names) - {peer.name for peer in everybody}
    if unknown:
        refuse(f"no peer {', '.join(sorted(unknown))}; there are "
               f"{', '.join(peer.name for peer in everybody)}")
    return [peer for peer in everybody if peer.name in names or peer.name == "penstock"]


def stop_once(number, _):
    """The first signal unwinds, which ends what was started; a second one does not disturb that."""
    for other in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(other, signal.SIG_IGN)
    print("bench: stopped; no report is written", file=sys.stderr)
    sys.exit(128 + number)


def arguments():
    parser = argparse.ArgumentParser(prog="bench", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true",
                        help="penstock beside haproxy and squid, short runs, no flatness")
    parser.add_argument("--peers", metavar="NAMES", help="a comma list; penstock is always in it")
    parser.add_argument("--rounds", type=int, metavar="N", help="instead of what the plan says")
    parser.add_argument("--results", type=Path, metavar="FOLDER",
                        help="where the report goes (bench/results; build/bench for --quick)")
    return parser.parse_args()


def main():
    args = arguments()
    binary = Path(os.environ.get("PENSTOCK_BINARY", ROOT / "build/release/penstock")).resolve()
    if not os.access(binary, os.X_OK):
        refuse("there is no penstock to measure; run: make build")
    names = args.peers.split(",") if args.peers else (
        QUICK_PEERS if args.quick else [peer.name for peer in peers.RIVALS])
    wanted = wanted_peers(binary, names)
    plan = measure.QUICK if args.quick else measure.FULL
    if args.rounds:
        plan = measure.Plan(**{**plan.__dict__, "rounds": args.rounds})
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop_once)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if most < 3 * plan.idle[1]:
        refuse(f"{plan.idle[1]} tunnels need {3 * plan.idle[1]} descriptors; the hard limit is "
               f"{most}; run: ulimit -Hn {3 * plan.idle[1]}")
    proxy_core, load_core = two_cores()
    os.sched_setaffinity(0, {load_core})

    about = machine.described(proxy_core, load_core)
    meanwhile = machine.Meanwhile((proxy_core, load_core))
    run = Run(plan, binary, proxy_core, load_core)
    run.compare(wanted)
    if plan.flat_rounds:
        with run.noted("flatness"):
            run.flatness()
    about.update(meanwhile.described())

    report = reported(run, wanted, "quick" if args.quick else "full", about)
    folder = args.results or ROOT / ("build/bench" if args.quick else "bench/results")
    write(report, folder)
    print(table.markdown(report))
    run.say(f"written: {os.path.relpath(folder)}/results.md, results.json, chart.svg")
    return 1 if run.failures else 0


if __name__ == "__main__":
    sys.exit(main())
