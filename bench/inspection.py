#!/usr/bin/env python3
"""What inspecting tunnels costs in CPU of the proxy's process tree: per new connection with one small
request inside, and per GiB; the most memory it had for that; and what it adds to the time of a connection, beside a penstock that only
tunnels. All proxies show leaves of one CA (P-256) and go to one origin (Node).

Squid needs OpenSSL for it, which is Debian's package squid-openssl; that cannot be installed beside
squid, so its files are unpacked and named here:

  apt-get download squid-openssl && dpkg -x squid-openssl_*.deb /tmp/squid-openssl
  scripts/bench-inspection --squid /tmp/squid-openssl [--mitmproxy] [--rounds 5] [--seconds 3] [--mib 256]

mitmproxy (mitmdump, in Debian) keeps no flow and prints nothing here, and bodies pass as they come.

The proxy has one core, all else the other. In each round all are measured in turn; the figures are
medians, with the lowest and the highest.
"""

import argparse
import contextlib
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import cpu
import peers
from https import cell, helper, measure, on_load_core
from incident import BINARY
from pairs import PROXY_CORE
from peers import Peer
from processes import free_port

CLIENT = Path(__file__).with_name("inspected.mjs")
ORIGIN = Path(__file__).with_name("inspected_origin.mjs")
MIB = 1 << 20
LATENCIES = 200  # connections of one measurement

PENSTOCK = Peer("penstock", "penstock", "connect", str(BINARY), "penstock/inspection.yaml",
                ("run", "--config", "{config}"), ("--version",))
TUNNELS = Peer("tunnels", "penstock, excepted", "connect", str(BINARY), "penstock/inspection.yaml",
               ("run", "--config", "{config}"), ("--version",))


def squid(folder):
    return Peer("squid", "Squid ssl_bump", "connect", f"{folder}/usr/sbin/squid",
                "squid/inspection.conf", ("-N", "-f", "{config}"), ("-v",), logs=("cache.log",))


MITMPROXY = Peer("mitmproxy", "mitmproxy", "connect", "mitmdump", "mitmproxy/config.yaml",
                 ("--set", "confdir={folder}"), ("--version",))


class Inspecting(peers.Running):
    def __init__(self, peer, origin_port, certificates, certgen):
        self.certificates, self.certgen = certificates, certgen
        self.root = certificates / ("origin.pem" if peer is TUNNELS else "ca.pem")
        super().__init__(peer, PROXY_CORE, origin_port)

    def _words(self):
        store = self.folder / "certificates"
        if self.peer.name == "squid":
            subprocess.run([self.certgen, "-c", "-s", store, "-M", "16MB"], check=True,
                           capture_output=True)
            subprocess.run(["chown", "-R", "proxy:", store], check=False)
        if self.peer is MITMPROXY:
            (self.folder / "mitmproxy-ca.pem").write_text("".join(
                (self.certificates / name).read_text() for name in ("ca.key", "ca.pem")))
        return {**super()._words(), "CA": self.certificates / "ca.pem",
                "CA_KEY": self.certificates / ("open.key" if self.peer.name == "squid" else "ca.key"),
                "CERTGEN": self.certgen,
                "EXCEPT": "localhost" if self.peer is TUNNELS else "nobody.test",
                "CERTIFICATES": store, "ORIGIN_CA": self.certificates / "origin.pem"}

    def check(self):
        if self.ask("down", MIB) != str(MIB):
            raise peers.StartFailed("does not bring what is asked for")

    def ask(self, mode, amount):
        return on_load_core("node", CLIENT, self.port, self.origin_port, self.root, mode,
                            amount).strip()


def start_origin(stack, folder):
    port = free_port()
    stack.enter_context(helper("node", ORIGIN, port, folder / "origin.pem", folder / "origin.key",
                               port=port))
    return port


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--squid", type=Path, help="where squid-openssl was unpacked; without it: alone")
    parser.add_argument("--mitmproxy", action="store_true", help="beside mitmdump, too")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--mib", type=int, default=256)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as name, \
            contextlib.ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o755)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-keyout", folder / "origin.key", "-out",
                        folder / "origin.pem", "-days", "2", "-subj", "/CN=localhost", "-addext",
                        "subjectAltName=DNS:localhost"], check=True, capture_output=True)
        subprocess.run([BINARY, "ca", "init", "--ca", folder / "ca.pem", "--key", folder / "ca.key"],
                       check=True, capture_output=True)
        # Squid gives up root's rights before it reads it; penstock takes none that others can read.
        (folder / "open.key").write_text((folder / "ca.key").read_text())
        origin = start_origin(stack, folder)
        proxies = []
        certgen = args.squid / "usr/lib/squid/security_file_certgen" if args.squid else ""
        others = [squid(args.squid)] if args.squid else []
        others += [MITMPROXY] if args.mitmproxy else []
        for peer in (PENSTOCK, TUNNELS, *others):
            proxies.append(Inspecting(peer, origin, folder, certgen))
            stack.callback(proxies[-1].end)
        rows = {"new connection and request, us": ("setup", args.seconds, 1 / 1e3),
                "GiB down, ms": ("down", args.mib * MIB, (1 << 30) / 1e6),
                "GiB up, ms": ("up", args.mib * MIB, (1 << 30) / 1e6)}
        figures, times = {}, {}
        for number in range(args.rounds):
            first = number % len(proxies)
            turn = proxies[first:] + proxies[:first]
            for what, (mode, amount, scale) in rows.items():
                for proxy in turn:
                    figures.setdefault(what, {}).setdefault(proxy.peer.name, []).append(
                        measure(proxy, lambda p, m=mode, a=amount: int(p.ask(m, a)), scale))
            for proxy in turn:
                said = proxy.ask("latency", LATENCIES)
                times.setdefault(proxy.peer.name, []).extend(int(line) for line in said.split())
            print(f"round {number + 1} of {args.rounds} done", file=sys.stderr)
        titles = {p.peer.name: f"{p.peer.title} {peers.version_of(p.peer)}" for p in proxies}
        print(f"| CPU per | {' | '.join(titles.values())} |", "|---|" + "---|" * len(titles), sep="\n")
        for what, by_name in figures.items():
            print(f"| {what} | " + " | ".join(
                cell(by_name[name], by_name["penstock"]) for name in titles) + " |")
        print("| memory at most, MiB | " + " | ".join(
            f"{cpu.most_memory_kib(p.process.pid) / 1024:.0f}" for p in proxies) + " |")
        for which, title in ((50, "median"), (99, "99th percentile")):
            print(f"| time of a connection, {title}, us | " + " | ".join(
                f"{statistics.quantiles(times[name], n=100)[which - 1]:.0f}" for name in titles) + " |")


if __name__ == "__main__":
    main()
