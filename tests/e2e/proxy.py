"""A running penstock: started with a configuration of its own on ports of its own, watched while
it runs, and judged by what it leaves behind when it ends."""

import json
import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

from wire import (DEADLINE, Reply, Tunnel, connect_head, eventually, exchange, read_reply,
                  read_to_end)

REPOSITORY = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("PENSTOCK_BINARY", REPOSITORY / "build/release/penstock")).resolve()

LAB = {
    "name": "lab",
    "allow": ["127.0.0.0/8:1-65535", "[::1]:1-65535", "localhost:1-65535", "*.localhost:1-65535"],
    "addresses": ["127.0.0.0/8", "::1/128"],
}


def to_yaml(value, indent=0):
    """Block-style YAML for dicts, lists and scalars; plain text stays plain, as people write it."""
    pad = "  " * indent
    if isinstance(value, dict):
        if not value:
            return " {}\n"
        lines = "".join(f"{pad}{key}:{to_yaml(item, indent + 1)}" for key, item in value.items())
        return "\n" + lines if indent else lines
    if isinstance(value, list):
        if not value:
            return " []\n"
        items = []
        for item in value:
            text = to_yaml(item, indent + 1)
            if isinstance(item, dict):
                text = " " + text.lstrip("\n").lstrip(" ")
            items.append(f"{pad}-{text}")
        return "\n" + "".join(items)
    if isinstance(value, bool):
        return f" {str(value).lower()}\n"
    text = str(value)
    plain = re.fullmatch(r"[A-Za-z0-9/][A-Za-z0-9_./-]*(:[A-Za-z0-9_./-]+)*", text)
    return f" {text if plain or isinstance(value, int) else json.dumps(text)}\n"


def merged(base, change):
    out = dict(base)
    for key, value in change.items():
        both = isinstance(value, dict) and isinstance(out.get(key), dict)
        out[key] = merged(out[key], value) if both else value
    return out


class Metrics(dict):
    """Samples of a Prometheus page: (name, frozenset of label pairs) to number."""

    LINE = re.compile(r"([A-Za-z_:][A-Za-z0-9_:]*)(?:\{(.*)\})? (\S+)")
    LABEL = re.compile(r'([A-Za-z_][A-Za-z0-9_]*)="((?:[^"\\]|\\.)*)"')

    def __init__(self, text):
        super().__init__()
        self.types = {}
        for line in text.splitlines():
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ")
                assert name not in self.types, f"metric {name} stands twice"
                self.types[name] = kind
            elif line and not line.startswith("#"):
                match = self.LINE.fullmatch(line)
                assert match, line
                key = (match[1], frozenset(self.LABEL.findall(match[2] or "")))
                assert key not in self, f"sample stands twice: {line}"
                self[key] = float(match[3])

    def total(self, name, **labels):
        """The sum of the samples of `name` that carry these labels."""
        wanted = set(labels.items())
        return sum(value for (key, have), value in self.items() if key == name and wanted <= have)


class Penstock:
    """See conftest.py for how tests get one."""

    def __init__(self, directory, config=None, *, ns=None, nofile=None, env=None, stdout=None,
                 launcher=(), arguments=None, pass_fds=(), preexec=None):
        assert BINARY.exists(), f"{BINARY} does not exist; build it or set PENSTOCK_BINARY"
        self.directory = Path(directory)
        self.ns = ns
        self.config_file = self.directory / "penstock.yaml"
        self.log_file = self.directory / "access.log"
        self.stderr_file = self.directory / "stderr"
        self.config = config
        self._waits_from = 0  # lines of the log before this one are of earlier tests
        self._sockets = []
        self._ended = False
        self.write_config(config if config is not None else {})
        command = [*(ns.prefix() if ns else []), *launcher]
        if nofile:
            command += ["prlimit", f"--nofile={nofile}"]
        command += [str(BINARY), *(arguments or ["run", "--config", str(self.config_file)])]
        with open(self.stderr_file, "wb") as stderr:
            self.process = subprocess.Popen(
                command, stderr=stderr, stdout=stdout or subprocess.DEVNULL, pass_fds=pass_fds,
                stdin=subprocess.DEVNULL, env={**os.environ, **(env or {})}, preexec_fn=preexec)
        try:
            self.admin = eventually(lambda: self._address("admin on"), "the admin address")
            self.address = self._address("listening on")
            assert self.address, self.stderr()
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise

    # What it says.

    def stderr(self):
        return self.stderr_file.read_text(errors="replace")

    def addresses(self, words):
        found = re.findall(words + r" (?:\[([0-9a-f:]+)\]|([0-9.]+)):(\d+)\s", self.stderr())
        return [(v6 or v4, int(port)) for v6, v4, port in found]

    def _address(self, words):
        status = self.process.poll()
        assert status is None, f"ended at the start with status {status}:\n{self.stderr()}"
        return next(iter(self.addresses(words)), None)

    def log(self):
        """The access log so far; a line still being written is left out."""
        if not self.log_file.exists():
            return []
        return [json.loads(line) for line in self.log_file.read_text().split("\n")[:-1]]

    def wait_for_new_lines_only(self):
        self._waits_from = len(self.log())

    def wait_log(self, count=1, **fields):
        """`count` log lines that have these fields, when they are there."""
        def matching():
            lines = [line for line in self.log()[self._waits_from:]
                     if all(line.get(key) == value for key, value in fields.items())]
            return lines if len(lines) >= count else None
        try:
            return eventually(matching, f"{count} log lines with {fields}")
        except AssertionError:
            print("the end of the access log:", *self.log()[-10:], sep="\n  ")
            raise

    def get(self, path, method="GET"):
        """(status, fields, body) from the admin listener."""
        with self.socket(self.admin) as sock:
            sock.sendall(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n"
                         "Connection: close\r\n\r\n".encode())
            reply = read_reply(sock)
            rest, was_reset = read_to_end(sock)
            assert not was_reset
            return reply.status, reply.fields, (reply.rest + rest).decode()

    def metrics(self):
        status, _, body = self.get("/metrics")
        assert status == 200, body
        return Metrics(body)

    def wait_metric(self, name, value, **labels):
        eventually(lambda: self.metrics().total(name, **labels) == value,
                   f"{name}{labels} == {value}")

    # What its process is like.

    def cpu_seconds(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss_anon_kib(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"RssAnon:\s+(\d+) kB", status)[1])

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    # What it is told.

    def write_config(self, change):
        """`change` on top of a configuration that fits tests; text is written as it is."""
        if isinstance(change, str):
            self.config_file.write_text(change.replace("@LOG@", str(self.log_file)))
            return
        base = {
            "listeners": [{"address": "127.0.0.1:0"}],
            "admin": {"address": "127.0.0.1:0"},
            "policy": {"rules": [LAB]},
            "timeouts": {"drain": "1s"},
            "log": {"access": str(self.log_file)},
        }
        self.config_file.write_text(to_yaml(merged(base, change)))

    def signal(self, number):
        self.process.send_signal(number)

    def reload(self, change, accepted=True):
        """Writes a new configuration, sends SIGHUP and waits until it was taken or refused."""
        result = "done" if accepted else "refused"
        before = self.reloads(result)
        self.write_config(change)
        self.signal(signal.SIGHUP)
        eventually(lambda: self.reloads(result) > before, f"a reload that is {result}")

    def reloads(self, result):
        return self.metrics().total("penstock_reloads_total", result=result)

    # Its clients.

    def socket(self, address=None, source=None):
        host, port = address or self.address
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = (self.ns.socket if self.ns else socket.socket)(family, socket.SOCK_STREAM)
        sock.settimeout(DEADLINE)
        if source:
            sock.bind((source, 0))
        sock.connect((host, port))
        self._sockets.append(sock)
        return sock

    def ask(self, target, early=b"", source=None, head=None):
        """Sends CONNECT: a Tunnel, or the Reply of a refusal after which it closed."""
        sock = self.socket(source=source)
        sock.sendall((head or connect_head(target)) + early)
        reply = read_reply(sock)
        if reply.status == 200:
            assert "content-length" not in reply.fields
            assert "transfer-encoding" not in reply.fields
            return Tunnel(sock, reply)
        body, _ = read_to_end(sock)
        reply.rest += body
        sock.close()
        return reply

    def tunnel(self, target, early=b"", **options):
        got = self.ask(target, early, **options)
        assert isinstance(got, Tunnel), f"{target} was refused: {got}"
        return got

    def refusal(self, target, **options):
        got = self.ask(target, **options)
        assert isinstance(got, Reply), f"{target} was not refused"
        return got

    def exchange(self, data):
        sock = self.socket()
        reply = exchange(sock, data)
        sock.close()
        return reply

    # Its end.

    def close_clients(self):
        for sock in self._sockets:
            sock.close()
        self._sockets.clear()

    def wait(self, timeout=2 * DEADLINE):
        return self.process.wait(timeout)

    def end(self):
        """SIGTERM, and everything that must be true of a proxy that has ended."""
        if self._ended:
            return
        self.close_clients()
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        self.judge_end()

    def judge_end(self):
        self._ended = True
        started = time.monotonic()
        try:
            status = self.wait()
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"did not end on SIGTERM:\n{self.stderr()}") from None
        stderr = self.stderr()
        assert "Sanitizer" not in stderr and "runtime error" not in stderr, stderr
        assert status == 0, f"status {status} after {time.monotonic() - started:.1f} s\n{stderr}"
        last = [line for line in stderr.splitlines() if "ended" in line][-1:]
        assert last, f"no line about the end:\n{stderr}"
        left = re.findall(r"(\d+) (connections|tunnels|permits|frames)", last[0])
        assert len(left) == 3 and all(count == "0" for count, _ in left), last[0]

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def run_command(*arguments, ns=None, timeout=60):
    """One of the commands that end by themselves."""
    return subprocess.run([*(ns.prefix() if ns else []), str(BINARY), *arguments],
                          capture_output=True, text=True, timeout=timeout, check=False)
