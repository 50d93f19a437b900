"""Child processes that are pinned to a core, and surely end: with their group, with us, with the
terminal."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import time


class StartFailed(Exception):
    """A program that does not do what it was started for; the text says what it said itself."""


def environment():
    """Debian keeps daemons in sbin, which is not in everybody's path. Proxies of whoever runs this
    have no say here."""
    kept = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    kept["PATH"] = kept.get("PATH", "/usr/bin:/bin") + ":/usr/local/sbin:/usr/sbin:/sbin"
    kept["LC_ALL"] = "C"
    return kept


def spawn(command, cpu, **options):
    """A process group of its own (so that Ctrl-C reaches us first), on one core, killed by the
    kernel should we be killed ourselves."""
    pinned = ["setpriv", "--pdeathsig", "KILL", "taskset", "--cpu-list", str(cpu), *command]
    return subprocess.Popen(pinned, start_new_session=True, stdin=subprocess.DEVNULL,
                            env=environment(), **options)


def end(process, patience=3.0):
    """Asks the whole group to end, and kills what does not."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        try:
            process.wait(patience)
            break
        except subprocess.TimeoutExpired:
            continue
    # What outlived its leader; the group's id is not given away while a member lives.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def free_port():
    """A random port of loopback on which nobody listens, below the range from which connections
    take theirs: those would make it busy again before it is used."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
        ephemeral = int(file.read().split()[0])
    low, high = (10_000, ephemeral - 1) if ephemeral > 12_000 else (10_000, 65_000)
    for _ in range(200):
        port = random.randint(low, high)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise StartFailed("no free port on 127.0.0.1")


def wait_until_it_listens(process, port, patience):
    """Until a connection to the port is taken, or the process is gone, or patience is."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise StartFailed(f"ended with status {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise StartFailed(f"nobody listens on port {port} after {patience:.0f} s")


def tail(path, lines=3):
    """The last words of a log, on one line."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return "; ".join(line.strip() for line in file.read().splitlines()[-lines:])
    except OSError:
        return ""
