"""What a tunnel costs in system calls: the budget is the table in docs/performance.md."""

import contextlib
import re
import signal
import subprocess
from pathlib import Path

import pytest

from proxy import BINARY, REPOSITORY, run_command
from wire import DEADLINE

TUNNELS = 200
PAGE = REPOSITORY / "docs/performance.md"
# Of a whole run: timers, letters from the main thread, a call that attaching interrupts.
BESIDE = 20
# A thread that is stopped in the middle, by the scheduler or by strace, has others wait for a lock. How
# often that happens is the machine's doing.
FUTEX_MOST = 2


def budget(text):
    """The table under its heading: system call -> (least, most) per tunnel."""
    section = re.search(r"^## System calls of a tunnel\n(.*?)(?=^## |\Z)", text, re.S | re.M)[1]
    rows = re.findall(r"^\| `?(\w+)`? \| (\d+)(?: to (\d+))? \|.*\|$", section, re.M)
    calls = {name: (int(least), int(most or least)) for name, least, most in rows}
    assert len(calls) == len(rows) > 1, f"a table where each call stands once: {rows}"
    in_all = tuple(map(sum, zip(*(bounds for name, bounds in calls.items() if name != "all"))))
    assert calls.pop("all") == in_all, f"the rows are {in_all} in all"
    return calls


def worker_of(proxy):
    """The thread that carries tunnels; what the log writer does is by time and not by tunnel."""
    threads = [task.name for task in Path(f"/proc/{proxy.process.pid}/task").iterdir()
               if (task / "comm").read_text().startswith("worker/")]
    assert len(threads) == 1, threads
    return threads[0]


@contextlib.contextmanager
def counting(thread, file):
    """Counts the system calls of one thread: name -> (calls, errors). Filled in at the end."""
    strace = subprocess.Popen(["strace", "-c", "-U", "calls,errors,name", "-o", str(file), "-p", thread],
                              stderr=subprocess.PIPE, text=True)
    calls = {}
    try:
        said = strace.stderr.readline()
        assert "attached" in said, said
        yield calls
        strace.send_signal(signal.SIGINT)
        strace.communicate(timeout=DEADLINE)
    finally:
        strace.kill()
        strace.communicate()
    rows = re.findall(r"^ *(\d+) +(\d+)? +(\w+)$", file.read_text(), re.M)
    calls.update({name: (int(count), int(errors or 0)) for count, errors, name in rows
                  if name != "total"})


@contextlib.contextmanager
def origin():
    """On a port that the kernel chose, which is where the proxy looks for itself most."""
    process = subprocess.Popen([str(BINARY), "load", "origin", "--listen", "127.0.0.1:0=echo"],
                               stdout=subprocess.PIPE, text=True)
    try:
        yield re.fullmatch(r"listening on (\S+) \(echo\)\n", process.stdout.readline())[1]
    finally:
        process.kill()
        process.communicate()


def load(proxy, target, count):
    done = run_command("load", "--proxy", "%s:%d" % proxy.address, "--target", target, "--mode",
                       "setup", "--connections", "1", "--count", str(count))
    assert done.returncode == 0, done.stderr + done.stdout


@pytest.mark.release_only
def test_a_tunnel_takes_no_more_system_calls_than_its_budget(penstock, tmp_path):
    allowed = budget(PAGE.read_text())
    proxy = penstock({"workers": 1})
    with origin() as target:
        load(proxy, target, 20)  # what the first tunnels alone do
        proxy.wait_log(20)
        with counting(worker_of(proxy), tmp_path / "strace") as found:
            load(proxy, target, TUNNELS)
            proxy.wait_log(20 + TUNNELS)
    print(*(f"{calls / TUNNELS:5.2f} {name}, {errors / TUNNELS:.2f} of them failed"
            for name, (calls, errors) in sorted(found.items())), sep="\n")
    faults = []
    for name, (calls, errors) in found.items():
        least, most = allowed.get(name, (0, FUTEX_MOST if name == "futex" else 0))
        # What comes in two wake-ups instead of one costs a recvfrom that finds nothing. Those that
        # find something are as many as the lower bound says, whatever the timing.
        useful = calls - errors if name == "recvfrom" else 0
        if calls > most * TUNNELS + BESIDE or useful > least * TUNNELS + BESIDE:
            faults.append(f"{name}: {calls / TUNNELS:.2f}")
    assert not faults, f"per tunnel, more than {PAGE.name} says: {faults}"
    # It did count, and the page lists no call that is not made any more.
    faults = [name for name, (least, _) in allowed.items()
              if found.get(name, (0, 0))[0] < (least - 0.5) * TUNNELS]
    assert not faults, f"less often than {PAGE.name} says: {faults}; lower it there"
