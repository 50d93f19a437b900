"""Network namespaces: places from which a mistake reaches nothing.

A socket belongs to the namespace it was made in, whoever uses it afterwards. So one thread per
namespace enters it and makes sockets there for the tests; programs are started by `ip netns exec`,
which also puts /etc/netns/NAME/hosts and resolv.conf in place of those in /etc.
"""

import ctypes
import os
import secrets
import shutil
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000


def _enter(name):
    fd = os.open(f"/run/netns/{name}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _LIBC.setns(fd, _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
    finally:
        os.close(fd)


class NetNs:
    """A namespace with a loopback interface and nothing else, until something is added."""

    def __init__(self, hosts="127.0.0.1 localhost\n::1 localhost\n", resolv_conf=""):
        self.name = "penstock-test-" + secrets.token_hex(4)
        self.etc = Path("/etc/netns") / self.name
        self._processes = []
        self._threads = ThreadPoolExecutor(1, initializer=_enter, initargs=(self.name,))
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        try:
            self.etc.mkdir(parents=True)
            # `ip netns exec` binds them over those of /etc, which a bare root does not have.
            Path("/etc/hosts").touch()
            Path("/etc/resolv.conf").touch()
            (self.etc / "hosts").write_text(hosts)
            (self.etc / "resolv.conf").write_text(resolv_conf)
            self.run("ip", "link", "set", "lo", "up")
        except BaseException:
            self.delete()
            raise

    def prefix(self):
        return ["ip", "netns", "exec", self.name]

    def run(self, *command, check=True, **options):
        return subprocess.run([*self.prefix(), *command], check=check, **options)

    def start(self, *command, **options):
        """A process that delete() ends."""
        process = subprocess.Popen([*self.prefix(), *command], **options)
        self._processes.append(process)
        return process

    def rewrite(self, file, text):
        """Changes hosts or resolv.conf in place: a bind mount follows the inode, not the name."""
        with open(self.etc / file, "r+", encoding="utf-8") as out:
            out.truncate()
            out.write(text)

    def sysctl(self, name, value):
        self.run("sysctl", "-qw", f"{name}={value}")

    def socket(self, family=socket.AF_INET, kind=socket.SOCK_STREAM):
        return self._threads.submit(socket.socket, family, kind).result()

    def delete(self):
        for process in self._processes:
            process.kill()
            process.wait()
        self._threads.shutdown()
        subprocess.run(["ip", "netns", "del", self.name], check=True)
        shutil.rmtree(self.etc, ignore_errors=True)


class Sandbox:
    """Two namespaces: `gate`, where the proxy and its clients live, and `world`, which answers on
    every address there is. What the proxy is told to reach, it reaches there or nowhere."""

    GATE_V4, WORLD_V4 = "10.9.0.1", "10.9.0.2"
    GATE_V6, WORLD_V6 = "fd09::1", "fd09::2"

    def __init__(self):
        self.gate = NetNs(resolv_conf=f"nameserver {self.WORLD_V4}\n")
        try:
            self.world = NetNs()
        except BaseException:
            self.gate.delete()
            raise
        try:
            self._wire()
        except BaseException:
            self.delete()
            raise

    def _wire(self):
        self.gate.run("ip", "link", "add", "name", "out", "type", "veth", "peer", "name", "in",
                      "netns", self.world.name)
        for ns, link, v4, v6 in ((self.gate, "out", self.GATE_V4, self.GATE_V6),
                                 (self.world, "in", self.WORLD_V4, self.WORLD_V6)):
            ns.run("ip", "addr", "add", f"{v4}/24", "dev", link)
            ns.run("ip", "addr", "add", f"{v6}/64", "dev", link, "nodad")
            ns.run("ip", "link", "set", link, "up")
        self.gate.run("ip", "route", "add", "default", "via", self.WORLD_V4)
        self.gate.run("ip", "-6", "route", "add", "default", "via", self.WORLD_V6)
        # Type local in table main: every address is ours, unless a more specific route says else.
        self.world.run("ip", "route", "add", "local", "default", "dev", "lo", "table", "main")
        self.world.run("ip", "-6", "route", "add", "local", "default", "dev", "lo", "table",
                       "main")

    def delete(self):
        self.world.delete()
        self.gate.delete()
