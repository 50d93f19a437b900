"""Ephemeral ports: a range of 100, what happens when they are taken, and how they come back."""

import contextlib
import socket

import pytest

from origins import Echo, Listener
from wire import DEADLINE, Tunnel, connect_head, eventually, read_reply

PORTS = 100
TARGET = "45.77.1.1"
# Outside the range: a port that was bound is none that the kernel gives to a connection.
PLACES = {"listeners": [{"address": "127.0.0.1:3128"}], "admin": {"address": "127.0.0.1:3129"},
          "workers": 2,
          "policy": {"rules": [{"name": "anywhere", "allow": ["*:1-65535"], "tls": "ignored"}]}}


@pytest.fixture
def gate(sandbox):
    sandbox.gate.sysctl("net.ipv4.ip_local_port_range", f"40000 {40000 + PORTS - 1}")
    sandbox.gate.sysctl("net.ipv4.tcp_tw_reuse", "0")
    return sandbox.gate


class Clients:
    """Clients whose ports are chosen here: the kernel's choice is what runs out."""

    def __init__(self, gate, proxy):
        self.gate, self.proxy = gate, proxy
        self.number = 0

    def ask(self, target):
        """A Tunnel, or the Reply of a refusal."""
        sock = self.gate.socket()
        sock.settimeout(DEADLINE)
        sock.bind(("127.0.0.2", 20_000 + self.number))
        self.number += 1
        sock.connect(self.proxy.address)
        sock.sendall(connect_head(target))
        reply = read_reply(sock)
        if reply.status == 200:
            return Tunnel(sock, reply)
        sock.close()
        return reply

    def fill(self, target):
        """Tunnels until one is refused, and that refusal."""
        tunnels = []
        while True:
            got = self.ask(target)
            if not isinstance(got, Tunnel):
                return tunnels, got
            tunnels.append(got)


def is_no_port(reply):
    return ((reply.status, reply.error, reply.word)
            == (503, "connection_limit_reached", "no_port")) and "retry-after" in reply.fields


@pytest.fixture
def echo_in_world(sandbox):
    with contextlib.closing(Echo("0.0.0.0", ns=sandbox.world)) as origin:
        yield origin


def test_every_port_of_the_range_is_used_and_then_all_are_told_503(penstock, gate, echo_in_world):
    proxy = penstock(PLACES, ns=gate)
    clients = Clients(gate, proxy)
    target = f"{TARGET}:{echo_in_world.port}"
    tunnels, refusal = clients.fill(target)
    assert len(tunnels) == PORTS and is_no_port(refusal)
    assert all(is_no_port(clients.ask(target)) for _ in range(30))
    metrics = proxy.metrics()
    assert metrics.total("penstock_connections_total", error="no_port") == 31
    assert metrics.total("penstock_connections_total", outcome="refused") == 31
    assert metrics.total("penstock_ephemeral_ports", source="any", state="in_use") == PORTS
    assert metrics.total("penstock_ephemeral_ports_range") == PORTS
    # The kernel is asked once a second, and not for each of them.
    assert metrics.total("penstock_ports_refused_total", by="kernel") >= 1
    assert metrics.total("penstock_ports_refused_total", by="ledger") >= 1
    assert metrics.total("penstock_ports_refused_total") == 31
    # What is scarce towards one destination is not scarce towards others.
    other = clients.ask(f"45.77.1.2:{echo_in_world.port}")
    assert isinstance(other, Tunnel) and other.echoes()
    assert all(tunnel.echoes() for tunnel in tunnels)


def test_a_second_source_address_doubles_what_fits(penstock, gate, echo_in_world):
    gate.run("ip", "addr", "add", "10.9.0.12/24", "dev", "out")
    proxy = penstock({**PLACES, "dial": {"source_addresses": ["10.9.0.1", "10.9.0.12"]}}, ns=gate)
    clients = Clients(gate, proxy)
    target = f"{TARGET}:{echo_in_world.port}"
    tunnels, refusal = clients.fill(target)
    assert len(tunnels) == 2 * PORTS and is_no_port(refusal)
    metrics = proxy.metrics()
    for source in ("10.9.0.1", "10.9.0.12"):
        assert metrics.total("penstock_ephemeral_ports", source=source, state="in_use") == PORTS
    tunnels.pop().reset()
    eventually(lambda: isinstance(clients.ask(target), Tunnel), "the port of the one that left")


def test_ports_that_clients_end_first_rest_and_come_back_when_the_kernel_reuses_them(
        penstock, gate, echo_in_world):
    proxy = penstock(PLACES, ns=gate)
    clients = Clients(gate, proxy)
    target = f"{TARGET}:{echo_in_world.port}"
    tunnels, _ = clients.fill(target)
    for tunnel in tunnels:
        tunnel.close()
    proxy.wait_metric("penstock_ephemeral_ports", PORTS, source="any", state="time_wait")
    proxy.wait_metric("penstock_ephemeral_ports", 0, source="any", state="in_use")
    assert is_no_port(clients.ask(target))
    assert is_no_port(clients.ask(target))
    gate.sysctl("net.ipv4.tcp_tw_reuse", "1")
    eventually(lambda: isinstance(clients.ask(target), Tunnel), "a port that is used again")


@pytest.mark.parametrize("how", ["the origin ends first", "a reset"])
def test_a_port_does_not_rest_after(penstock, gate, sandbox, how):
    with contextlib.closing(Listener("0.0.0.0", ns=sandbox.world)) as origin:
        proxy = penstock(PLACES, ns=gate)
        clients = Clients(gate, proxy)
        for _ in range(5):
            tunnel = clients.ask(f"{TARGET}:{origin.port}")
            far = origin.accept()
            if how == "a reset":
                tunnel.reset()
                with contextlib.suppress(ConnectionResetError):
                    assert far.recv(1) == b""
            else:
                far.shutdown(socket.SHUT_WR)
                assert tunnel.receive_to_end() == (b"", False)
                tunnel.close()
                assert far.recv(1) == b""
        proxy.wait_metric("penstock_tunnels_open", 0)
        assert proxy.metrics().total("penstock_ephemeral_ports") == 0
        out = gate.run("ss", "-Htn", "state", "time-wait", "dst", TARGET, capture_output=True,
                       text=True).stdout
        assert not out, "the kernel sees it in the same way"


def test_a_range_that_is_widened_is_noticed(penstock, gate, echo_in_world):
    proxy = penstock(PLACES, ns=gate)
    clients = Clients(gate, proxy)
    target = f"{TARGET}:{echo_in_world.port}"
    _, refusal = clients.fill(target)
    assert is_no_port(refusal)
    gate.sysctl("net.ipv4.ip_local_port_range", f"40000 {40000 + 2 * PORTS - 1}")
    # The kernel has the last word, long before the settings are read again.
    eventually(lambda: isinstance(clients.ask(target), Tunnel), "a port of the wider range")
    proxy.wait_metric("penstock_ephemeral_ports_range", 2 * PORTS)
