"""The proxies that are compared: how each is configured, started, asked whether it works, stopped.

The configurations are templates in bench/peers/<name>/, with a reason beside every line that
matters; @WORDS@ in them are filled in here.
"""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import cpu
import processes
import rules
from processes import StartFailed

TEMPLATES = Path(__file__).resolve().parent / "peers"


@dataclass(frozen=True)
class Peer:
    name: str
    title: str
    way: str           # connect: an HTTP proxy; front: hands CONNECT on to one; relay: forwards to
                       # one address, reads no request
    program: str
    template: str
    arguments: tuple   # {config} and {folder} are filled in
    version: tuple     # arguments that print it
    modules: str = ""
    rules: int = 0     # penstock: length of its policy
    logs: tuple = ()   # where it says why it does not start


def penstock(binary, rule_count, name="penstock"):
    return Peer(name, "penstock", "connect", str(binary), "penstock/penstock.yaml",
                ("run", "--config", "{config}"), ("--version",), rules=rule_count)


RIVALS = (
    Peer("haproxy", "HAProxy (TCP relay)", "relay", "haproxy", "haproxy/haproxy.cfg",
         ("-db", "-f", "{config}"), ("-v",)),
    Peer("nginx", "nginx stream (TCP relay)", "relay", "nginx", "nginx/nginx.conf",
         ("-p", "{folder}/", "-e", "stderr", "-c", "{config}"), ("-v",),
         modules="/usr/lib/nginx/modules", logs=("error.log",)),
    # -N: no parent process that watches.
    Peer("squid", "Squid", "connect", "squid", "squid/squid.conf",
         ("-N", "-f", "{config}"), ("-v",), logs=("cache.log",)),
    Peer("tinyproxy", "tinyproxy", "connect", "tinyproxy", "tinyproxy/tinyproxy.conf",
         ("-d", "-c", "{config}"), ("-v",), logs=("tinyproxy.log",)),
    Peer("apache", "Apache (event MPM)", "connect", "apache2", "apache/apache.conf",
         ("-D", "FOREGROUND", "-f", "{config}"), ("-v",),
         modules="/usr/lib/apache2/modules", logs=("error.log",)),
)


def filled(template, words):
    """The template with every @WORD@ replaced; one that nobody knows is our mistake."""
    return re.sub(r"@([A-Z_]+)@", lambda match: str(words[match[1]]), template)


def program_path(peer):
    return shutil.which(peer.program, path=processes.environment()["PATH"])


def version_of(peer):
    """The first version number that the program prints about itself."""
    path = program_path(peer)
    if path is None:
        return "not installed"
    said = subprocess.run([path, *peer.version], capture_output=True, text=True, timeout=20,
                          env=processes.environment(), check=False)
    match = re.search(r"\d+\.\d+(\.\d+)?[-+~.\w]*", said.stdout + said.stderr)
    return match[0] if match else "unknown"


class Running:
    """A peer at work, on a port and in a folder of its own."""

    def __init__(self, peer, core, origin_port, patience=20.0):
        self.peer = peer
        self.origin_port = origin_port
        self.port = processes.free_port()
        self._folder = tempfile.TemporaryDirectory(prefix="penstock-bench-")
        self.folder = Path(self._folder.name)
        self.process = None
        try:
            self._start(core, patience)
        except BaseException as error:
            said = self.last_words()
            self.end()
            if isinstance(error, (StartFailed, OSError)):
                because = f" ({said})" if said else ""
                raise StartFailed(f"{peer.name}: {error}{because}") from None
            raise

    def _start(self, core, patience):
        path = program_path(self.peer)
        if path is None:
            raise StartFailed(f"{self.peer.program} is not installed; "
                              "run scripts/install-dependencies bench")
        # Daemons that give up root's rights write here after that.
        self.folder.chmod(0o777)
        config = self.folder / Path(self.peer.template).name
        config.write_text(filled((TEMPLATES / self.peer.template).read_text(), self._words()))
        arguments = [text.format(config=config, folder=self.folder)
                     for text in self.peer.arguments]
        with open(self.folder / "output", "wb") as output:
            self.process = processes.spawn([path, *arguments], core, cwd=self.folder,
                                           stdout=output, stderr=subprocess.STDOUT)
        processes.wait_until_it_listens(self.process, self.port, patience)
        self.check()

    def _words(self):
        return {
            "PORT": self.port,
            "ADMIN_PORT": processes.free_port(),
            "ORIGIN_PORT": self.origin_port,
            "FOLDER": self.folder,
            "MODULES": self.peer.modules,
            # Room for what a daemon opens besides tunnels is taken out of it by the daemon.
            "NOFILE": os.sysconf("SC_OPEN_MAX"),
            "RULES": rules.rules(self.peer.rules),
        }

    def _connect(self):
        return socket.create_connection(("127.0.0.1", self.port), 10)

    def check(self):
        """One tunnel, one byte there and back: it works, and reaches this run's origin."""
        with self._connect() as client:
            client.settimeout(10)
            if self.peer.way != "relay":
                authority = f"127.0.0.1:{self.origin_port}"
                request = f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n"
                client.sendall(request.encode())
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    byte = client.recv(1)
                    if not byte:
                        break
                    head += byte
                status = head.split(b" ")[1:2]
                if status != [b"200"]:
                    raise StartFailed(f"answers {head[:80]!r} to CONNECT")
            client.sendall(b"E")
            if client.recv(1) != b"E":
                raise StartFailed("does not carry a byte to the origin and back")

    def last_words(self):
        said = [processes.tail(self.folder / name) for name in ("output", *self.peer.logs)]
        return "; ".join(words for words in said if words).replace(f"{self.folder}/", "")[-400:]

    def cpu_ns(self):
        return cpu.tree_ns(self.process.pid)

    def anonymous_kib(self):
        return cpu.anonymous_kib(self.process.pid)

    def alive(self):
        return self.process.poll() is None

    def end(self):
        if self.process is not None:
            processes.end(self.process)
        with contextlib.suppress(OSError):
            self._folder.cleanup()


@contextlib.contextmanager
def running(peer, core, origin_port, patience=20.0):
    """A peer for the length of a block. A port that somebody took in between gets a second try."""
    try:
        at_work = Running(peer, core, origin_port, patience)
    except StartFailed:
        at_work = Running(peer, core, origin_port, patience)
    try:
        yield at_work
    finally:
        at_work.end()
