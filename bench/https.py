#!/usr/bin/env python3
"""What a TLS listener costs in CPU of the proxy's process: per handshake, whole and resumed, and per
GiB that it decrypts or encrypts. Beside penstock stands HAProxy with the same certificate (P-256) and
the same ciphers: for handshakes it does what penstock does; for bytes it ends TLS and relays to one
fixed address, without CONNECT, rules or log.

Handshakes are made by `openssl s_time`, bytes by curl from and to an nginx. The proxy has one core,
all else the other. Rounds alternate; the figures are medians.

Run: scripts/bench-https [--rounds 5] [--seconds 3] [--gib 1]
"""

import argparse
import contextlib
import re
import statistics
import subprocess
import tempfile
from pathlib import Path

from cpu import process_ns
from incident import BINARY
from pairs import LOAD_CORE, PROXY_CORE
from processes import end, environment, free_port, spawn, wait_until_it_listens

GIB = 1 << 30

PENSTOCK = """
listeners:
  - address: 127.0.0.1:{port}
    tls: {{certificates: [{{certificate: {folder}/proxy.pem, key: {folder}/proxy.key}}]}}
workers: 1
policy: {{rules: [{{name: lab, allow: ["127.0.0.1:1-65535"], addresses: [127.0.0.0/8]}}]}}
log: {{access: {folder}/access.log}}
"""

HAPROXY = """
global
  nbthread 1
  maxconn 1000
  tune.ssl.default-dh-param 2048
  ssl-default-bind-options ssl-min-ver TLSv1.2
  ssl-default-bind-ciphersuites TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384
defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
listen relay
  bind 127.0.0.1:{port} ssl crt {folder}/both.pem
  server origin 127.0.0.1:{origin}
"""

NGINX = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.error;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  client_max_body_size 0;
  server {{
    listen 127.0.0.1:{origin};
    root {folder};
    sendfile on;
    location /up {{ proxy_request_buffering off; proxy_pass http://127.0.0.1:{origin}/sink; }}
    location /sink {{ return 200; }}
  }}
}}
"""


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def make_certificate(folder):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-keyout", folder / "proxy.key", "-out", folder / "proxy.pem", "-days", "2", "-subj",
            "/CN=proxy.test", "-addext", "subjectAltName=DNS:proxy.test,IP:127.0.0.1")
    (folder / "both.pem").write_text((folder / "proxy.pem").read_text() +
                                     (folder / "proxy.key").read_text())


@contextlib.contextmanager
def running(command, port, core):
    process = spawn([str(part) for part in command], core, stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL)
    try:
        wait_until_it_listens(process, port, 10)
        yield process
    finally:
        end(process)


def on_load_core(*command):
    return subprocess.run(["taskset", "--cpu-list", str(LOAD_CORE), *map(str, command)],
                          check=True, capture_output=True, text=True, env=environment()).stdout


def handshake_us(process, port, seconds, kind):
    """CPU of the proxy for one handshake of TLS 1.3, or 1.2 where it is resumed: s_time takes up
    sessions of that only."""
    before = process_ns(process.pid)
    said = on_load_core("openssl", "s_time", "-connect", f"127.0.0.1:{port}", kind,
                        "-time", seconds, *(["-tls1_2"] if kind == "-reuse" else []))
    used = process_ns(process.pid) - before
    count = sum(int(n) for n in re.findall(r"^(\d+) connections in \d+ real", said, re.M))
    return used / 1e3 / count


def down_ms_per_gib(process, url, gib):
    before = process_ns(process.pid)
    on_load_core("curl", "-sSfk", "-o", "/dev/null", *url)
    return (process_ns(process.pid) - before) / 1e6 / gib


def measure(name, process, port, origin, args):
    through = (["--proxy-insecure", "--proxytunnel", "--proxy", f"https://127.0.0.1:{port}",
                f"http://127.0.0.1:{origin}/blob"] if name == "penstock" else
               [f"https://127.0.0.1:{port}/blob"])
    return {
        "whole handshake, us": handshake_us(process, port, args.seconds, "-new"),
        "resumed handshake (TLS 1.2), us": handshake_us(process, port, args.seconds, "-reuse"),
        "GiB down, ms": down_ms_per_gib(process, through, args.gib),
        "GiB up, ms": down_ms_per_gib(
            process, ["-X", "POST", "-H", "Expect:", "-T", str(args.folder / "blob"),
                      *[part.replace("/blob", "/up") for part in through]], args.gib),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--gib", type=int, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        args.folder = folder = Path(name)
        make_certificate(folder)
        with open(folder / "blob", "wb") as blob:
            blob.truncate(args.gib * GIB)
        folder.chmod(0o755)
        origin, ports = free_port(), {"penstock": free_port(), "haproxy": free_port()}
        texts = {"penstock": PENSTOCK, "haproxy": HAPROXY, "nginx": NGINX}
        for program, text in texts.items():
            (folder / program).write_text(text.format(folder=folder, origin=origin,
                                                      port=ports.get(program)))
        stack.enter_context(running(["nginx", "-c", folder / "nginx", "-e", "stderr"], origin,
                                    LOAD_CORE))
        commands = {"penstock": [BINARY, "run", "--admin", "off", "--config", folder / "penstock"],
                    "haproxy": ["haproxy", "-f", folder / "haproxy"]}
        proxies = {program: stack.enter_context(running(command, ports[program], PROXY_CORE))
                   for program, command in commands.items()}
        figures = {program: [] for program in proxies}
        for _ in range(args.rounds):
            for program, process in proxies.items():
                figures[program].append(measure(program, process, ports[program], origin, args))
    print(f"| CPU per | {' | '.join(figures)} |\n|---|{'---|' * len(figures)}")
    for what in figures["penstock"][0]:
        cells = []
        for rounds in figures.values():
            values = [one[what] for one in rounds]
            cells.append(f"{statistics.median(values):.0f} ({min(values):.0f} to {max(values):.0f})")
        print(f"| {what} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
