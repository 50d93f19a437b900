"""The door: who gets a permit, who waits for one, and which destination is left alone."""

import contextlib
import threading

import pytest

from names import Names, table
from origins import closed_port
from proxy import LAB
from wire import Tunnel, connect_head, eventually, read_reply


class Gate:
    """A name server that holds every question for *.slow.example until the name is let through."""

    def __init__(self):
        self._open = {}
        self._lock = threading.Lock()
        self._names = Names(self._answer)
        self.address = self._names.address

    def _event(self, name):
        with self._lock:
            return self._open.setdefault(name, threading.Event())

    def _answer(self, name, kind):
        self._event(name).wait(60)
        return table({name: ["127.0.0.1"]})(name, kind)

    def let_through(self, label):
        self._event(f"{label}.slow.example").set()

    def close(self):
        with self._lock:
            for event in self._open.values():
                event.set()
        self._names.close()


@pytest.fixture
def gate():
    with contextlib.closing(Gate()) as server:
        yield server


def settings(gate, *, patience="20s", breaker=None, **limits):
    slow = {"name": "slow", "allow": ["*.slow.example:1-65535"], "addresses": ["127.0.0.0/8"]}
    return {"policy": {"rules": [LAB, slow]}, "limits": limits, "breaker": breaker or {},
            "dns": {"servers": [gate.address]}, "timeouts": {"resolve": "30s", "queue": patience}}


def start(penstock, gate, **options):
    return penstock(settings(gate, **options))


def slow_name(label, origin):
    return f"{label}.slow.example:{origin.authority.rpartition(':')[2]}"


def begin(proxy, target, source=None):
    """A CONNECT whose answer is read later."""
    sock = proxy.socket(source=source) if source else proxy.socket()
    sock.sendall(connect_head(target))
    return sock


def test_a_set_up_waits_for_a_permit_and_gets_the_next(penstock, gate, echo):
    proxy = start(penstock, gate, pending=1)
    holder = begin(proxy, slow_name("a", echo))
    proxy.wait_metric("penstock_pending", 1)
    waiting = begin(proxy, echo.authority)
    proxy.wait_metric("penstock_waiting", 1)
    gate.let_through("a")
    assert read_reply(holder).status == 200
    assert read_reply(waiting).status == 200
    waiting.close()
    line = proxy.wait_log(authority=echo.authority)[0]
    assert line["queue_us"] > 0 and line["error"] == ""


def test_one_that_waits_too_long_is_503_and_is_told_when_to_come_back(penstock, gate, echo):
    proxy = start(penstock, gate, patience="100ms", pending=1)
    begin(proxy, "a.slow.example:443")
    proxy.wait_metric("penstock_pending", 1)
    reply = proxy.refusal(echo.authority)
    assert (reply.status, reply.error, reply.word) == (503, "connection_limit_reached", "no_permit")
    assert 1 <= int(reply.fields["retry-after"]) <= 30
    assert proxy.wait_log(authority=echo.authority)[0]["queue_us"] >= 100_000


def test_without_a_queue_nobody_waits(penstock, gate, echo):
    proxy = start(penstock, gate, pending=1, queue=0)
    begin(proxy, "a.slow.example:443")
    proxy.wait_metric("penstock_pending", 1)
    assert proxy.refusal(echo.authority).word == "no_permit"


def test_clients_take_turns_in_the_queue(penstock, gate, echo):
    proxy = start(penstock, gate, pending=1)
    begin(proxy, slow_name("a", echo))
    proxy.wait_metric("penstock_pending", 1)
    greedy = []
    for count in range(8):
        greedy.append(begin(proxy, slow_name(f"b{count}", echo), source="127.0.0.2"))
        proxy.wait_metric("penstock_waiting", count + 1)
    modest = begin(proxy, echo.authority, source="127.0.0.3")
    proxy.wait_metric("penstock_waiting", 9)
    gate.let_through("a")
    gate.let_through("b0")  # the second turn; the third client's seven others stay held
    assert read_reply(modest).status == 200
    assert read_reply(greedy[0]).status == 200


def test_a_client_that_leaves_the_queue_leaves_its_place(penstock, gate, echo):
    proxy = start(penstock, gate, pending=1)
    begin(proxy, "a.slow.example:443")
    proxy.wait_metric("penstock_pending", 1)
    waiting = begin(proxy, echo.authority)
    proxy.wait_metric("penstock_waiting", 1)
    waiting.close()
    proxy.wait_metric("penstock_waiting", 0)
    assert proxy.wait_log(authority=echo.authority)[0]["error"] == "client_gone"


def test_a_refused_name_takes_nobodys_place(penstock, gate):
    proxy = start(penstock, gate, pending=1)
    begin(proxy, "a.slow.example:443")
    proxy.wait_metric("penstock_pending", 1)
    assert proxy.refusal("denied.example:443").word == "name_denied"


def test_a_reload_with_a_larger_limit_serves_those_who_wait(penstock, gate, echo):
    proxy = start(penstock, gate, pending=1)
    begin(proxy, "a.slow.example:443")
    proxy.wait_metric("penstock_pending", 1)
    waiting = begin(proxy, echo.authority)
    proxy.wait_metric("penstock_waiting", 1)
    proxy.reload(settings(gate, pending=5))
    assert read_reply(waiting).status == 200


def test_a_destination_that_fails_is_left_alone_and_found_again(penstock, gate):
    proxy = start(penstock, gate, breaker={"minimum": 4, "pause": "200ms", "pause_max": "200ms"})
    origin, port = closed_port()
    target = f"127.0.0.1:{port}"
    for _ in range(4):
        assert proxy.refusal(target).word == "refused"
    reply = proxy.refusal(target)
    assert (reply.status, reply.error) == (503, "destination_unavailable")
    assert reply.word == "breaker_open: refused"
    assert b"The last failure: The destination refused the connection." in reply.rest
    assert int(reply.fields["retry-after"]) >= 1
    line = proxy.wait_log(error="breaker_open")[0]
    assert (line["side"], line["outcome"]) == ("origin", "failed")
    assert f"{target} fails (refused)" in proxy.stderr()
    assert proxy.metrics().total("penstock_breakers_opened_total") == 1
    origin.listen()
    eventually(lambda: isinstance(proxy.ask(target), Tunnel), "a probe")
    assert f"{target} answers again" in proxy.stderr()
    proxy.wait_metric("penstock_breakers", 0)


def test_a_breaker_that_is_off_lets_everybody_try(penstock, gate):
    proxy = start(penstock, gate, breaker={"failure_percent": 0, "minimum": 1})
    with closed_port()[0] as origin:
        target = f"127.0.0.1:{origin.getsockname()[1]}"
        assert {proxy.refusal(target).word for _ in range(30)} == {"refused"}
