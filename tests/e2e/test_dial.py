"""Reaching the origin, and saying why it could not be reached."""

import contextlib
import socket
import time

import pytest

from names import Names, table
from origins import Echo, closed_port
from wire import DEADLINE, connect_head, eventually, read_reply

BOTH = ["45.77.1.1", "2a0e:b107::1"]
ANYWHERE = {"rules": [{"name": "anywhere", "allow": ["*:1-65535"]}]}
# Drops what is forwarded or delivered to these, silently.
BLACKHOLE = """
table inet hole {
  chain input { type filter hook input priority 0; policy accept;
    ip daddr { 45.77.66.1, 45.77.66.2 } drop
    ip6 daddr { 2a0e:b107:66::1 } drop
  }
}
"""


@pytest.fixture(scope="module")
def world(shared_sandbox):
    box = shared_sandbox
    box.world.run("nft", "-f", "-", input=BLACKHOLE, text=True)
    # 45.78.0.0/16 and 2a0e:b108::/32 have no route; 45.79.0.0/16 is answered with an ICMP error.
    box.gate.run("ip", "route", "add", "unreachable", "45.78.0.0/16")
    box.gate.run("ip", "-6", "route", "add", "unreachable", "2a0e:b108::/32")
    box.world.run("ip", "route", "add", "unreachable", "45.79.0.0/16")
    box.world.sysctl("net.ipv4.ip_forward", 1)
    names = table({
        "both.example": BOTH,
        "sixhole.example": ["2a0e:b107:66::1", "45.77.1.1"],
        "fourhole.example": ["45.77.66.1", "2a0e:b107::1"],
        "allhole.example": ["45.77.66.1", "45.77.66.2", "2a0e:b107:66::1"],
        "holes.example": ["45.77.66.1", "45.77.66.2", "45.77.1.1"],
        "refusedandhole.example": ["45.77.66.1", "45.77.1.1"],
        "noroute.example": ["45.78.0.1", "2a0e:b108::1"],
        "noroutefirst.example": ["45.78.0.1", "45.77.1.1"],
    })
    with contextlib.ExitStack() as stack:
        box.names = stack.enter_context(contextlib.closing(Names(names, box.WORLD_V4, 53,
                                                                 ns=box.world)))
        box.v4 = stack.enter_context(contextlib.closing(Echo("0.0.0.0", ns=box.world)))
        box.port = box.v4.port
        box.v6 = stack.enter_context(contextlib.closing(Echo("::", box.port, ns=box.world)))
        holder, box.closed = closed_port(ns=box.world)
        stack.enter_context(holder)
        yield box


@pytest.fixture
def start(penstock, world):
    return lambda **sections: penstock({"policy": ANYWHERE, **sections}, ns=world.gate)


def test_a_refused_connection_is_502_connection_refused(start, world):
    proxy = start()
    for host in ("45.77.1.1", "[2a0e:b107::1]", "both.example"):
        reply = proxy.refusal(f"{host}:{world.closed}")
        assert (reply.status, reply.error) == (502, "connection_refused")
    entry = proxy.wait_log(3, error="refused")[0]
    assert entry["side"] == "origin" and entry["status"] == 502


def test_silence_is_504_connection_timeout_and_others_are_served_meanwhile(start, world):
    proxy = start(timeouts={"dial": "2s"}, workers=1)
    waiting = proxy.socket()
    waiting.sendall(connect_head("45.77.66.1:443"))
    for _ in range(20):
        assert proxy.tunnel(f"both.example:{world.port}").echoes()
    reply = read_reply(waiting)
    assert (reply.status, reply.error) == (504, "connection_timeout")
    (entry,) = proxy.wait_log(error="dial_timeout")
    assert entry["dial_us"] >= 1_900_000


@pytest.mark.parametrize("target", ["45.78.0.1:443", "[2a0e:b108::1]:443", "noroute.example:443",
                                    "45.79.0.1:443"])
def test_no_route_is_502_destination_ip_unroutable(start, target):
    reply = start().refusal(target)
    assert (reply.status, reply.error) == (502, "destination_ip_unroutable")


@pytest.mark.parametrize("name", ["sixhole", "fourhole", "holes", "noroutefirst"])
def test_another_address_is_tried_before_the_first_has_timed_out(start, world, name):
    proxy = start(timeouts={"dial": "20s", "attempt": "100ms"})
    assert proxy.tunnel(f"{name}.example:{world.port}").echoes()
    proxy.close_clients()
    (entry,) = proxy.wait_log(authority=f"{name}.example:{world.port}")
    assert entry["route"] in (f"45.77.1.1:{world.port}", f"[2a0e:b107::1]:{world.port}")
    assert entry["dial_us"] < 10_000_000


def test_when_all_addresses_are_silent_the_whole_dial_has_one_deadline(start):
    proxy = start(timeouts={"dial": "1s", "attempt": "100ms"})
    started = time.monotonic()
    assert proxy.refusal("allhole.example:443").status == 504
    assert 0.9 <= time.monotonic() - started < DEADLINE / 3


def test_the_most_telling_error_is_reported_and_not_the_last(start, world):
    proxy = start(timeouts={"dial": "1s", "attempt": "50ms"})
    reply = proxy.refusal(f"refusedandhole.example:{world.closed}")
    assert (reply.status, reply.error) == (502, "connection_refused")


@pytest.mark.parametrize("family,route", [("v4", "45.77.1.1"), ("v6", "[2a0e:b107::1]")])
def test_one_family_can_be_chosen(start, world, family, route):
    proxy = start(dial={"family": family})
    assert proxy.tunnel(f"both.example:{world.port}").echoes()
    proxy.close_clients()
    assert proxy.wait_log(1)[0]["route"] == f"{route}:{world.port}"


def test_source_addresses_are_used_in_turn(start, world, listener):
    for address in ("10.9.0.11", "10.9.0.12"):
        world.gate.run("ip", "addr", "replace", f"{address}/24", "dev", "out")
    proxy = start(dial={"source_addresses": ["10.9.0.11", "10.9.0.12"]}, workers=1)
    origin = listener("0.0.0.0", ns=world.world)
    seen = []
    for _ in range(6):
        proxy.tunnel(f"45.77.1.1:{origin.port}")
        seen.append(origin.accept().getpeername()[0])
    assert seen in (["10.9.0.11", "10.9.0.12"] * 3, ["10.9.0.12", "10.9.0.11"] * 3)


IP_BIND_ADDRESS_NO_PORT = 24  # from linux/in.h


def client_at(sandbox, proxy, number):
    """A client whose port is chosen here: the kernel's choice is what runs out."""
    sock = sandbox.gate.socket()
    sock.settimeout(DEADLINE)
    sock.bind(("127.0.0.2", 20_000 + number))
    sock.connect(proxy.address)
    return sock


def narrow_ports(sandbox):
    sandbox.gate.sysctl("net.ipv4.ip_local_port_range", "40000 40015")


def test_exhausted_ports_are_503_and_counted_and_come_back(penstock, sandbox):
    proxy = penstock({"policy": ANYWHERE}, ns=sandbox.gate)
    with contextlib.closing(Echo("0.0.0.0", ns=sandbox.world)) as origin:
        target = f"45.77.1.1:{origin.port}"
        narrow_ports(sandbox)
        opened = []
        for number in range(40):
            sock = client_at(sandbox, proxy, number)
            sock.sendall(connect_head(target))
            reply = read_reply(sock)
            if reply.status != 200:
                break
            opened.append(sock)
        assert (reply.status, reply.error, reply.word) == (503, "connection_limit_reached",
                                                           "no_port")
        assert "retry-after" in reply.fields
        assert 8 <= len(opened) <= 16
        sandbox.gate.sysctl("net.ipv4.ip_local_port_range", "32768 60999")
        (entry,) = proxy.wait_log(error="no_port")
        assert (entry["side"], entry["status"]) == ("proxy", 503)
        metrics = proxy.metrics()
        assert metrics.total("penstock_connections_total", error="no_port") == 1
        assert any(name == "penstock_ephemeral_ports" for name, _ in metrics)
        narrow_ports(sandbox)
        # The origin closes first, so that TIME_WAIT stays over there.
        for sock in opened:
            sock.sendall(b"x")
            assert sock.recv(1) == b"x"
        opened.pop().close()
        sandbox.gate.sysctl("net.ipv4.ip_local_port_range", "32768 60999")
        assert proxy.tunnel(target).echoes()
        for sock in opened:
            sock.close()


def test_a_source_address_without_ports_is_passed_over_for_the_next(penstock, sandbox):
    sandbox.gate.run("ip", "addr", "add", "10.9.0.12/24", "dev", "out")
    proxy = penstock({"policy": ANYWHERE, "workers": 1,
                      "dial": {"source_addresses": ["10.9.0.1", "10.9.0.12"]}}, ns=sandbox.gate)
    with contextlib.closing(Echo("0.0.0.0", ns=sandbox.world)) as origin:
        # All ports of the first address towards this origin are taken by others.
        narrow_ports(sandbox)
        takers = []
        with contextlib.suppress(OSError):
            while len(takers) < 100:
                sock = sandbox.gate.socket()
                takers.append(sock)
                sock.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
                sock.bind(("10.9.0.1", 0))
                sock.connect(("45.77.1.1", origin.port))
        assert len(takers) < 100
        for number in range(4):
            sock = client_at(sandbox, proxy, number)
            takers.append(sock)
            sock.sendall(connect_head(f"45.77.1.1:{origin.port}"))
            assert read_reply(sock).status == 200, number
        for sock in takers:
            sock.close()


def test_a_client_that_leaves_during_the_dial_cancels_it(start, world):
    proxy = start(timeouts={"dial": "25s"})
    client = proxy.socket()
    client.sendall(connect_head("45.77.66.1:443"))

    def attempts():
        out = world.gate.run("ss", "-Htn", "state", "syn-sent", capture_output=True, text=True)
        return "45.77.66.1" in out.stdout

    eventually(attempts, "a SYN on its way")
    started = time.monotonic()
    client.close()
    eventually(lambda: not attempts(), "the end of the attempt")
    assert time.monotonic() - started < 15
    (entry,) = proxy.wait_log(error="client_gone")
    assert entry["side"] == "client"
    proxy.wait_metric("penstock_pending", 0)
