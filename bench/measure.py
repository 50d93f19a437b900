"""One function per kind of run. Each takes a peer at work and gives figures by column key, and
below "_" what says whether they can be believed.

CPU is that of the proxy's whole process tree (cpu.py), over the whole run of the load: the few
tunnels that a run opens first, and what is still under way when it ends, are in it and are below
one in a thousand.
"""

import time
from dataclasses import dataclass

GIB = 1 << 30


@dataclass(frozen=True)
class Plan:
    """How long and how much; durations in seconds."""

    rounds: int
    setup: float
    round_trip: float
    bulk: float
    latency: float
    idle: tuple          # tunnels that are open at the first and at the second look at the memory
    flat_rounds: int
    flat_setup: float
    flat_tunnels: tuple
    flat_rules: tuple


FULL = Plan(rounds=5, setup=2.0, round_trip=1.5, bulk=1.5, latency=5.0, idle=(1000, 4000),
            flat_rounds=5, flat_setup=1.5, flat_tunnels=(10, 9000), flat_rules=(1, 100_000))
QUICK = Plan(rounds=3, setup=1.0, round_trip=0.8, bulk=0.8, latency=1.5, idle=(500, 2000),
             flat_rounds=0, flat_setup=0, flat_tunnels=(), flat_rules=())

# Enough that the core of the ends never sleeps: waking it costs an interrupt, which is booked on the
# proxy that sent the bytes (with 16 at once, 30 us per CONNECT). Few enough that no proxy of this
# list is short of threads or runs a queue.
SETUPS_AT_ONCE = 64
PINGING_TUNNELS = 32


@dataclass
class Bench:
    load: object
    origin: object

    def _observed(self, at_work, seconds, *arguments):
        """Runs a load; its report, the proxy's CPU in ns, and how busy either core was."""
        before, origin_before = at_work.cpu_ns(), self.origin.cpu_ns()
        start = time.monotonic()
        report = self.load.run(at_work, seconds, *arguments)
        used, wall = at_work.cpu_ns() - before, time.monotonic() - start
        ends = (self.origin.cpu_ns() - origin_before) / 1e9 + report["cpu_seconds"]
        busy = {"proxy_core": used / 1e9 / wall, "load_core": ends / wall}
        return report, used, busy

    def set_up(self, at_work, seconds):
        """CPU per CONNECT, at as many per second as come through."""
        report, used, busy = self._observed(
            at_work, seconds, "--mode", "setup", "--connections", str(SETUPS_AT_ONCE))
        return {"setup_cpu_us": used / 1e3 / report["finished"],
                "setups_per_second": report["per_second"],
                "_": {"setup": busy}}

    def round_trip(self, at_work, seconds):
        """CPU per ping-pong of 64 bytes."""
        report, used, busy = self._observed(
            at_work, seconds, "--mode", "rtt", "--connections", str(PINGING_TUNNELS))
        return {"round_trip_cpu_us": used / 1e3 / report["finished"], "_": {"round_trip": busy}}

    def bulk(self, at_work, seconds, direction, streams):
        """Throughput; and CPU per GiB, of the single stream. Streams go on until the run is over:
        an upload that ends half-closes and waits for the origin's word, and Squid closes the whole
        tunnel then. Bytes on their way at the end (some MiB in buffers) count as moved."""
        report, used, busy = self._observed(
            at_work, seconds, "--mode", "bulk", "--direction", direction,
            "--connections", str(streams), "--bytes", "1048576GiB")
        gib = report[f"bytes_{direction}"] / GIB
        figures = {f"{direction}_{streams}_gib_per_second": gib / report["seconds"],
                   "_": {f"{direction}_{streams}": busy}}
        if streams == 1:
            figures[f"{direction}_cpu_ms_per_gib"] = used / 1e6 / gib
        return figures

    def idle(self, at_work, counts):
        """Growth of the process tree's resident anonymous memory from one number of open tunnels
        to another, per tunnel. The first look is taken with tunnels open already, so that memory
        which start-up had freed, and everything that is made once, is in neither."""
        first, second = counts
        with self.load.tunnels(at_work, first):
            before = settled(at_work.anonymous_kib)
            with self.load.tunnels(at_work, second - first):
                after = settled(at_work.anonymous_kib)
        return {"idle_kib": (after - before) / (second - first)}

    def latency(self, at_work, seconds, rate):
        """Set-up latency in an open loop, from the intended start to the first byte that came
        back through the tunnel."""
        report, _, busy = self._observed(
            at_work, seconds, "--mode", "setup", "--rate", f"{rate:.0f}",
            "--warm-up", "300ms")
        setup = report["setup"]
        return {"setup_p50_us": setup["p50_us"], "setup_p99_us": setup["p99_us"],
                "setup_p99_9_us": setup["p99_9_us"], "_": {"latency": busy}}

    def beside_idle_tunnels(self, at_work, seconds, count, port):
        """CPU per CONNECT while so many other tunnels are open. They lead to another `port` of the
        origin: to the same one they would take a third of the ephemeral ports, and the kernel
        would search longer for a free one, whatever the proxy does."""
        with self.load.tunnels(at_work, count, port):
            return self.set_up(at_work, seconds)["setup_cpu_us"]


def settled(read, patience=3.0):
    """A reading that has stopped to move: a proxy may still be at work on the last tunnels."""
    deadline = time.monotonic() + patience
    last = read()
    while time.monotonic() < deadline:
        time.sleep(0.1)
        now = read()
        if now == last:
            break
        last = now
    return last


def columns(bench, plan, rate):
    """The runs of a round in their order. Memory first: later runs leave freed memory behind, and
    tunnels that move into it would look as if they took none."""
    return (
        ("idle tunnels", lambda peer: bench.idle(peer, plan.idle)),
        ("CONNECT", lambda peer: bench.set_up(peer, plan.setup)),
        ("round trips", lambda peer: bench.round_trip(peer, plan.round_trip)),
        ("1 stream up", lambda peer: bench.bulk(peer, plan.bulk, "up", 1)),
        ("1 stream down", lambda peer: bench.bulk(peer, plan.bulk, "down", 1)),
        ("8 streams up", lambda peer: bench.bulk(peer, plan.bulk, "up", 8)),
        ("8 streams down", lambda peer: bench.bulk(peer, plan.bulk, "down", 8)),
        ("latency", lambda peer: bench.latency(peer, plan.latency, rate)),
    )
