"""A `penstock trace` that watches what a test does, and a cgroup of the test's own for it."""

import json
import os
import secrets
import signal
import subprocess
from pathlib import Path

from proxy import BINARY
from wire import DEADLINE, eventually


class Cgroup:
    """A cgroup of version 2, below a mount of its own: where cgroups are of version 1, there is
    none to be found."""

    def __init__(self, directory):
        self._mount = Path(directory) / "cgroup2"
        self._mount.mkdir()
        subprocess.run(["mount", "-t", "cgroup2", "none", str(self._mount)], check=True)
        self.path = self._mount / ("penstock-test-" + secrets.token_hex(4))
        self.path.mkdir()

    def enter(self):
        """For preexec_fn: the process that calls it is in this cgroup from then on."""
        (self.path / "cgroup.procs").write_text(str(os.getpid()))

    def delete(self):
        def is_empty():
            return not (self.path / "cgroup.procs").read_text()
        eventually(is_empty, "an empty cgroup")
        self.path.rmdir()
        subprocess.run(["umount", str(self._mount)], check=True)


class Report:
    """One object of `trace --json`."""

    def __init__(self, line):
        self.raw = json.loads(line)

    def _groups(self, direction):
        return [group for group in self.raw["groups"] if group["direction"] == direction]

    def latency(self, direction, name):
        """Its only distribution of this name, or one that is empty."""
        found = [group["latencies"][name] for group in self._groups(direction)
                 if name in group["latencies"]]
        assert len(found) <= 1, "told apart by destination; look into raw"
        return found[0] if found else {"count": 0, "sum_us": 0}

    def events(self, name, direction="outgoing", **detail):
        return sum(event["count"] for group in self._groups(direction)
                   for event in group["events"]
                   if event["event"] == name and detail.items() <= event.items())


class Trace:
    """Started, and watching when the constructor returns."""

    def __init__(self, directory, *arguments, prefix=(), ns=None):
        self.stderr_file = Path(directory) / f"trace-{secrets.token_hex(4)}.stderr"
        command = [*(ns.prefix() if ns else []), *prefix, str(BINARY), "trace", "--json",
                   *map(str, arguments)]
        with open(self.stderr_file, "wb") as stderr:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr,
                                            stdin=subprocess.DEVNULL, text=True)
        try:
            eventually(self._watches, "a trace that watches")
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise

    def stderr(self):
        return self.stderr_file.read_text()

    def _watches(self):
        assert self.process.poll() is None, self.stderr()
        return "tracing by" in self.stderr()

    def end(self):
        """The report about all of it."""
        self.process.send_signal(signal.SIGINT)
        out, _ = self.process.communicate(timeout=DEADLINE)
        assert self.process.returncode == 0, self.stderr()
        last = Report(out.splitlines()[-1])
        assert last.raw["span"] == "total"
        assert last.raw["lost"] == 0
        return last

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
