"""Both ends of the tunnels: the origin, and the load that is put on a proxy. `penstock load` plays
both; they share one core and leave the other to the proxy under test."""

import contextlib
import json
import os
import select
import signal
import subprocess
import tempfile
import time

import cpu
import processes
from processes import StartFailed

# The whole of a run's errors, as a share of what came out right. Above it the figure is about
# failing rather than about carrying.
ERRORS_MOST = 0.01


class LoadFailed(Exception):
    """A load run that gave no figure, or one that is worth nothing."""


class Origin:
    """Listens on as many ports as asked for. Each peer has an origin port of its own: the proxy
    closes its connections to the origin first, and the TIME_WAIT entries that one leaves behind
    must not be in the way of the next."""

    def __init__(self, binary, core, ports):
        listens = [text for port in ports for text in ("--listen", f"127.0.0.1:{port}")]
        with tempfile.TemporaryFile() as said:
            self.process = processes.spawn([str(binary), "load", "origin", *listens], core,
                                           stdout=subprocess.DEVNULL, stderr=said)
            try:
                for port in ports:
                    processes.wait_until_it_listens(self.process, port, 10)
            except BaseException as error:
                self.end()
                said.seek(0)
                words = said.read().decode(errors="replace").strip()[-400:]
                if isinstance(error, StartFailed):
                    raise StartFailed(f"penstock load origin: {error} ({words})") from None
                raise

    def cpu_ns(self):
        return cpu.tree_ns(self.process.pid)

    def end(self):
        processes.end(self.process)


@contextlib.contextmanager
def origin(binary, core, ports):
    at_work = Origin(binary, core, ports)
    try:
        yield at_work
    finally:
        at_work.end()


def judged(report, name):
    """The report of a load run, unless it is worth nothing."""
    errors, finished = report["error_count"], report["finished"]
    if errors > ERRORS_MOST * max(finished, 1):
        kinds = ", ".join(f"{count} x {kind}" for kind, count in report["errors"].items())
        raise LoadFailed(f"{name}: {errors} errors beside {finished} that came out right: {kinds}")
    if not finished and not report["bytes_up"] and not report["bytes_down"]:
        raise LoadFailed(f"{name}: nothing came through")
    return report


class Load:
    """Runs `penstock load` against one peer."""

    def __init__(self, binary, core):
        self.binary = binary
        self.core = core

    def command(self, at_work, *arguments, port=None):
        way = ["--relay"] if at_work.peer.way == "relay" else []
        return [str(self.binary), "load", "--proxy", f"http://127.0.0.1:{at_work.port}", *way,
                "--target", f"127.0.0.1:{port or at_work.origin_port}", "--json",
                # Errors are judged here, with the other figures at hand.
                "--max-errors", "1000000000", *arguments]

    def run(self, at_work, seconds, *arguments):
        """A run of so many seconds; its report."""
        name = f"{at_work.peer.name}: load {' '.join(arguments)}"
        process = processes.spawn(
            self.command(at_work, *arguments, "--duration", f"{round(seconds * 1000)}ms"),
            self.core, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            # A tunnel that hangs is given up by the load after 30 s.
            out, said = process.communicate(timeout=seconds + 60)
        except subprocess.TimeoutExpired:
            raise LoadFailed(f"{name}: still running a minute after its end") from None
        finally:
            if process.poll() is None:
                processes.end(process)
        return judged(report_of(out, said, name), name)

    @contextlib.contextmanager
    def tunnels(self, at_work, count, port=None):
        """Idle tunnels for the length of a block, to another port of the origin if one is given; at
        its end each must still carry a byte."""
        name = f"{at_work.peer.name}: {count} idle tunnels"
        out = tempfile.TemporaryFile()
        process = processes.spawn(
            self.command(at_work, "--mode", "idle", "--connections", str(count),
                         "--duration", "10m", port=port),
            self.core, stdout=out, stderr=subprocess.PIPE)
        try:
            said = wait_for_line(process, f"{count} tunnels open", 60, name)
            yield
            os.killpg(process.pid, signal.SIGINT)
            try:
                _, rest = process.communicate(timeout=60)
            except subprocess.TimeoutExpired:
                raise LoadFailed(f"{name}: do not end") from None
            out.seek(0)
            judged(report_of(out.read(), said + rest, name), name)
        finally:
            if process.poll() is None:
                processes.end(process, 0.5)
            process.stderr.close()
            out.close()


def report_of(out, said, name):
    try:
        return json.loads(out)
    except ValueError:
        words = said.decode(errors="replace").strip()[-300:]
        raise LoadFailed(f"{name}: no report; it said: {words}") from None


def wait_for_line(process, text, patience, name):
    """What has been written to stderr until `text` stood in it."""
    said = b""
    deadline = time.monotonic() + patience
    while text.encode() not in said:
        left = deadline - time.monotonic()
        ready, _, _ = select.select([process.stderr], [], [], max(left, 0))
        piece = os.read(process.stderr.fileno(), 65536) if ready else b""
        if not piece:
            words = said.decode(errors="replace").strip()[-300:]
            raise LoadFailed(f"{name}: not open after {patience - max(left, 0):.0f} s; "
                             f"it said: {words}")
        said += piece
    return said
