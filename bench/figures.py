"""What is made of the runs: medians, spreads, ratios. Pure."""

import statistics
from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    key: str
    title: str
    unit: str
    more_is_better: bool = False


COLUMNS = (
    Column("setup_cpu_us", "CPU per CONNECT", "us"),
    Column("round_trip_cpu_us", "CPU per 64-byte round trip", "us"),
    Column("up_cpu_ms_per_gib", "CPU per GiB up", "ms"),
    Column("down_cpu_ms_per_gib", "CPU per GiB down", "ms"),
    Column("idle_kib", "user memory per idle tunnel", "KiB"),
    Column("setup_p50_us", "set-up latency p50", "us"),
    Column("setup_p99_us", "set-up latency p99", "us"),
    Column("setup_p99_9_us", "set-up latency p99.9", "us"),
    Column("setups_per_second", "CONNECTs per second, closed loop", "/s", True),
    Column("up_1_gib_per_second", "1 stream up", "GiB/s", True),
    Column("down_1_gib_per_second", "1 stream down", "GiB/s", True),
    Column("up_8_gib_per_second", "8 streams up", "GiB/s", True),
    Column("down_8_gib_per_second", "8 streams down", "GiB/s", True),
)


@dataclass(frozen=True)
class Figure:
    median: float
    low: float
    high: float
    ratio: float | None  # to the reference; absent where that has none
    runs: tuple          # in order; a round that gave no figure is None


def figure(runs, reference):
    """Of one column: the runs of a peer, and those of the reference in the same rounds.

    The ratio is the median of the ratios within each round: what slowed a whole round down (a
    neighbour on the machine) slowed both down."""
    there = [run for run in runs if run is not None]
    if not there:
        return None
    ratios = [run / other for run, other in zip(runs, reference)
              if run is not None and other]
    return Figure(statistics.median(there), min(there), max(there),
                  statistics.median(ratios) if ratios else None, tuple(runs))


def summarised(rounds, names, reference, keys):
    """rounds[i][name][key] -> {name: {key: Figure or None}}."""
    def runs(name, key):
        return [a_round.get(name, {}).get(key) for a_round in rounds]

    return {name: {key: figure(runs(name, key), runs(reference, key)) for key in keys}
            for name in names}


def shown(number):
    """Three significant digits, never an exponent: 0.123, 12.3, 1230."""
    if number == 0:
        return "0"
    digits = 3 - len(str(int(abs(number)))) if abs(number) >= 1 else 3
    return f"{round(number, digits):.{max(digits, 0)}f}"
