#!/usr/bin/env python3
"""What an HTTPS listener costs in CPU of the proxy's process tree: per handshake, per tunnel by
HTTP/1.1 and by HTTP/2, and per GiB that it decrypts or encrypts. All have one certificate (P-256).

Squid answers CONNECT itself, and speaks no HTTP/2. HAProxy and nghttpx end TLS and HTTP/2 and hand
the request on to a proxy that answers it, a penstock on the other core that is not counted: they do
less. Handshakes alone are made by `openssl s_time`, tunnels by bench/tunnels.mjs (Node), which end at
`penstock load origin`. The proxy has one core, all else the other. In each round all are measured in
turn; the figures are medians, with the lowest and the highest.

Run: scripts/bench-https [--rounds 5] [--seconds 3] [--mib 512]
"""

import argparse
import contextlib
import re
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import peers
from incident import BINARY
from pairs import LOAD_CORE, PROXY_CORE
from peers import Peer
from processes import StartFailed, end, environment, free_port, spawn, wait_until_it_listens

TUNNELS = Path(__file__).with_name("tunnels.mjs")
MIB = 1 << 20

PENSTOCK = Peer("penstock", "penstock", "connect", str(BINARY), "penstock/https.yaml",
                ("run", "--config", "{config}"), ("--version",))
RIVALS = (
    Peer("haproxy", "HAProxy (front)", "front", "haproxy", "haproxy/https.cfg",
         ("-db", "-f", "{config}"), ("-v",)),
    Peer("nghttpx", "nghttpx (front)", "front", "nghttpx", "nghttpx/nghttpx.conf",
         ("--conf={config}",), ("--version",), logs=("error.log",)),
    Peer("squid", "Squid", "connect", "squid", "squid/https.conf", ("-N", "-f", "{config}"),
         ("-v",), logs=("cache.log",)),
)


def make_certificate(folder):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-keyout", folder / "proxy.key", "-out",
                    folder / "proxy.pem", "-days", "2", "-subj", "/CN=proxy.test", "-addext",
                    "subjectAltName=DNS:proxy.test,IP:127.0.0.1"], check=True, capture_output=True)
    (folder / "both.pem").write_text((folder / "proxy.pem").read_text() +
                                     (folder / "proxy.key").read_text())
    for file in folder.iterdir():
        file.chmod(0o644)  # daemons that give up root's rights read it after that


class Secure(peers.Running):
    """A peer that is asked over TLS. `next_port`: of the proxy that answers CONNECT for a front."""

    def __init__(self, peer, origin_port, next_port, certificates):
        self.next_port = next_port
        self.certificates = certificates
        super().__init__(peer, PROXY_CORE, origin_port)

    def _words(self):
        return {**super()._words(), "NEXT_PORT": self.next_port,
                "CERTIFICATE": self.certificates / "proxy.pem",
                "KEY": self.certificates / "proxy.key", "BOTH": self.certificates / "both.pem"}

    def _connect(self):
        context = ssl.create_default_context(cafile=str(self.certificates / "proxy.pem"))
        return context.wrap_socket(super()._connect(), server_hostname="proxy.test")


def on_load_core(*command):
    done = subprocess.run(["taskset", "--cpu-list", str(LOAD_CORE), *map(str, command)],
                          capture_output=True, text=True, env=environment(), check=False)
    if done.returncode:
        raise StartFailed(f"{command[0]} {command[1]}: {done.stderr.strip()[-300:]}")
    return done.stdout


def handshakes(proxy, seconds, *kind):
    said = on_load_core("openssl", "s_time", "-connect", f"127.0.0.1:{proxy.port}", "-time", seconds,
                        *kind)
    return sum(int(n) for n in re.findall(r"^(\d+) connections in \d+ real", said, re.M))


def tunnels(proxy, way, mode, amount):
    return int(on_load_core("node", TUNNELS, proxy.port, proxy.origin_port, way, mode, amount))


def rows(args):
    """What is measured: what it is called, how it is done (and how much of it was), and what makes a
    figure of nanoseconds for each."""
    us, ms_per_gib = 1 / 1e3, (1 << 30) / 1e6
    named = {
        "whole handshake (TLS 1.3), us": (lambda p: handshakes(p, args.seconds, "-new"), us),
        # s_time takes up sessions of 1.2 only.
        "resumed handshake (TLS 1.2), us":
            (lambda p: handshakes(p, args.seconds, "-reuse", "-tls1_2"), us),
        "CONNECT with a handshake of its own, us":
            (lambda p: tunnels(p, "http1", "setup", args.seconds), us),
        "CONNECT by HTTP/2, us": (lambda p: tunnels(p, "h2", "setup", args.seconds), us),
    }
    for way, title in (("http1", "HTTP/1.1"), ("h2", "HTTP/2")):
        for mode in ("down", "up"):
            named[f"GiB {mode} by {title}, ms"] = (
                lambda p, way=way, mode=mode: tunnels(p, way, mode, args.mib * MIB), ms_per_gib)
    return named


def measure(proxy, work, scale):
    before = proxy.cpu_ns()
    try:
        done = work(proxy)
    except StartFailed as why:
        raise StartFailed(f"through {proxy.peer.title}: {why}") from None
    return (proxy.cpu_ns() - before) / done * scale


@contextlib.contextmanager
def helper(*command, port):
    process = spawn([str(word) for word in command], LOAD_CORE, stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL)
    try:
        wait_until_it_listens(process, port, 10)
        yield
    finally:
        end(process)


def cell(values, ours):
    if not values:
        return "—"
    text = f"{statistics.median(values):.0f} ({min(values):.0f}–{max(values):.0f})"
    if values is ours:
        return text
    return f"{text} {statistics.median(a / b for a, b in zip(values, ours)):.2f}×"


def table(figures, titles):
    lines = [f"| CPU per | {' | '.join(titles.values())} |", "|---|" + "---|" * len(titles)]
    for what, by_name in figures.items():
        cells = [cell(by_name.get(name), by_name["penstock"]) for name in titles]
        lines.append(f"| {what} | {' | '.join(cells)} |")
    return "\n".join(lines)


def stand_up(stack, folder):
    """Everybody at work until `stack` ends."""
    origin, next_port = free_port(), free_port()
    rule = '{name: bench, allow: ["127.0.0.1:1024-65535"], addresses: [127.0.0.0/8]}'
    (folder / "next.yaml").write_text(
        f'listeners: [{{address: "127.0.0.1:{next_port}"}}]\n'
        f"workers: 1\nlog: {{access: off}}\npolicy: {{rules: [{rule}]}}\n")
    stack.enter_context(helper(BINARY, "load", "origin", "--listen", f"127.0.0.1:{origin}",
                               port=origin))
    stack.enter_context(helper(BINARY, "run", "--admin", "off", "--config", folder / "next.yaml",
                               port=next_port))
    proxies = []
    for peer in (PENSTOCK, *RIVALS):
        proxies.append(Secure(peer, origin, next_port, folder))
        stack.callback(proxies[-1].end)
    return proxies


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--mib", type=int, default=512)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as name, \
            contextlib.ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o755)
        make_certificate(folder)
        proxies = stand_up(stack, folder)
        figures = {}
        for number in range(args.rounds):
            first = number % len(proxies)
            for what, (work, scale) in rows(args).items():
                for proxy in proxies[first:] + proxies[:first]:
                    if "HTTP/2" in what and proxy.peer.name == "squid":
                        continue
                    figures.setdefault(what, {}).setdefault(proxy.peer.name, []).append(
                        measure(proxy, work, scale))
            print(f"round {number + 1} of {args.rounds} done", file=sys.stderr)
        titles = {p.peer.name: f"{p.peer.title} {peers.version_of(p.peer)}" for p in proxies}
        print(table(figures, titles))


if __name__ == "__main__":
    main()
