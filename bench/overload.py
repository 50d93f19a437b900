#!/usr/bin/env python3
"""Three times as many set-ups as the permits can carry, for a minute: what is served, what is said
to the others, and what is left behind.

Each set-up asks for a name of its own, which the name server answers after 100 ms, so that W is
known and capacity is pending / W. Open loop: set-ups begin when they are due, whatever happened to
those before.

Run: scripts/bench-overload [--seconds 60] [--pending 20] [--times 3]
In a network namespace of its own, with loopback only.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from pathlib import Path

import dnslib

from incident import BINARY, only_loopback, quantile
from processes import end, free_port, spawn, wait_until_it_listens

NAME_SECONDS = 0.1
REFUSALS = (503, 429)

CONFIG = """
listeners: [{{address: "127.0.0.1:{port}"}}]
admin: {{address: "127.0.0.1:{admin}"}}
policy: {{rules: [{{name: lab, allow: ["*.load.example:1-65535"], addresses: [127.0.0.0/8]}}]}}
dns: {{servers: ["127.0.0.1:{names}"], cache_entries: 256}}
dial: {{family: v4}}
limits: {{pending: {pending}}}
log: {{access: off}}
"""


class Names(asyncio.DatagramProtocol):
    """Every name is 127.0.0.1, after a while."""

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, peer):
        reply = dnslib.DNSRecord.parse(data).reply()
        reply.add_answer(dnslib.RR(str(reply.q.qname), ttl=60, rdata=dnslib.A("127.0.0.1")))
        asyncio.get_running_loop().call_later(NAME_SECONDS, self.transport.sendto, reply.pack(),
                                              peer)


async def origin(reader, writer):
    """Ends when the client does."""
    await reader.read()
    writer.close()


async def set_up(proxy, target):
    """(status, seconds): of one CONNECT; a refusal must be whole and say when to come back."""
    began = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy)
    try:
        writer.write(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)).decode()
        status = int(head.split(" ")[1])
        seconds = time.monotonic() - began
        if status != 200:
            body = await reader.read()
            fields = {line.partition(": ")[0].lower(): line.partition(": ")[2]
                      for line in head.split("\r\n")[1:]}
            whole = (status in REFUSALS and 1 <= int(fields["retry-after"]) <= 30
                     and fields["proxy-status"].startswith("penstock; error=")
                     and len(body) == int(fields["content-length"]))
            return status if whole else "malformed", seconds
        return status, seconds
    finally:
        writer.close()


async def try_set_up(proxy, target):
    try:
        return await set_up(proxy, target)
    except (OSError, EOFError, asyncio.TimeoutError) as error:
        return type(error).__name__, 0.0


async def offer(proxy, port, rate, seconds, label):
    """Open loop; the outcomes, in the order of the starts."""
    tasks = []
    began = time.monotonic()
    for number in range(int(rate * seconds)):
        due = began + number / rate
        if (wait := due - time.monotonic()) > 0:
            await asyncio.sleep(wait)
        target = f"{label}{number}.load.example:{port}"
        tasks.append(asyncio.create_task(try_set_up(proxy, target)))
    return await asyncio.gather(*tasks)


def facts_of(process, admin):
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    rss = int(next(line for line in status.splitlines() if line.startswith("RssAnon")).split()[1])
    with urllib.request.urlopen(f"http://127.0.0.1:{admin}/metrics", timeout=5) as page:
        metrics = dict(line.rsplit(" ", 1) for line in page.read().decode().splitlines()
                       if not line.startswith("#"))
    return {"descriptors": len(os.listdir(f"/proc/{process.pid}/fd")), "anonymous_kib": rss,
            "pending": float(metrics["penstock_pending"]),
            "waiting": float(metrics["penstock_waiting"])}


async def settled(process, admin):
    """What the proxy holds once nothing is under way any more."""
    for _ in range(100):
        facts = await asyncio.to_thread(facts_of, process, admin)
        if facts["pending"] == facts["waiting"] == 0:
            break
        await asyncio.sleep(0.05)
    return facts


async def measure(args, proxy, process, admin, names):
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(Names, local_addr=("127.0.0.1", names))
    server = await asyncio.start_server(origin, "127.0.0.1", 0, backlog=4096)
    port = server.sockets[0].getsockname()[1]
    capacity = args.pending / NAME_SECONDS
    await offer(proxy, port, capacity * args.times, 10, "warm")
    before = await settled(process, admin)
    quiet = await offer(proxy, port, capacity / 2, 5, "quiet")
    overload = await offer(proxy, port, capacity * args.times, args.seconds, "over")
    after_at_once = await offer(proxy, port, capacity / 2, 5, "after")
    after = await settled(process, admin)
    served = [seconds for status, seconds in overload if status == 200]
    return {
        "capacity_per_second": capacity,
        "offered_per_second": capacity * args.times,
        "goodput_of_capacity": len(served) / args.seconds / capacity,
        "outcomes": {str(status): count
                     for status, count in Counter(status for status, _ in overload).items()},
        "served_p50_ms": quantile(served, 0.5) * 1e3,
        "served_p99_ms": quantile(served, 0.99) * 1e3,
        "quiet_p99_ms": quantile([seconds for _, seconds in quiet], 0.99) * 1e3,
        "served_at_once_after": sum(status == 200 for status, _ in after_at_once)
        / len(after_at_once),
        "before": before,
        "after": after,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--pending", type=int, default=20)
    parser.add_argument("--times", type=float, default=3)
    args = parser.parse_args()
    only_loopback()
    proxy, admin, names = (free_port() for _ in range(3))
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as config:
        config.write(CONFIG.format(port=proxy, admin=admin, names=names, pending=args.pending))
        config.flush()
        process = spawn([BINARY, "run", "--config", config.name], 0, stderr=subprocess.DEVNULL)
        try:
            wait_until_it_listens(process, proxy, 10)
            found = asyncio.run(measure(args, proxy, process, admin, names))
        finally:
            end(process)
    print(json.dumps(found, indent=1))
    refusals = {status for status in found["outcomes"] if status not in ("200", "503", "429")}
    good = (found["goodput_of_capacity"] >= 0.9 and not refusals
            and found["served_at_once_after"] == 1
            and found["after"]["descriptors"] <= found["before"]["descriptors"] + 8)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
