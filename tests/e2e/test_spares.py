"""Spare connections: made behind a tunnel, looked at before they are used, never a way around the
policy, and gone when they should be."""

import select
import signal

import pytest

from proxy import LAB, run_command
from wire import connect_head, eventually, read_reply, reset


@pytest.fixture
def origin(listener):
    return listener()


def with_spares(origin, **settings):
    spares = {"destinations": [origin.authority], "age": "60s", **settings}
    return {"workers": 1, "dial": {"spares": spares}}


def prepared(proxy, origin, each=2):
    """Opens one tunnel, and waits for the spares that come behind it: their far ends."""
    proxy.tunnel(origin.authority)
    proxy.wait_metric("penstock_spares", each, state="ready")
    assert origin.accepts() == 1 + each
    return origin.accepted[1:]


def spares(proxy, result):
    return proxy.metrics().total("penstock_spares_total", result=result)


def line_of_last(proxy, origin, count):
    """The log line of the tunnel that was opened last, when all have ended."""
    proxy.close_clients()
    for far in origin.accepted:
        far.close()
    return max(proxy.wait_log(count), key=lambda line: int(line["id"].split("-")[2], 16))


def test_there_are_none_unless_they_are_asked_for(penstock, origin):
    proxy = penstock({"workers": 1})
    for _ in range(3):
        proxy.tunnel(origin.authority)
    assert origin.accepts() == 3
    assert proxy.metrics().total("penstock_spares") == 0
    assert "spare" not in line_of_last(proxy, origin, 3)


def test_a_tunnel_takes_a_connection_that_was_there_before_it_asked(penstock, origin):
    proxy = penstock(with_spares(origin))
    ready = prepared(proxy, origin)
    # Nobody could be dialled any more: what answers now was connected before.
    origin.sock.close()
    tunnel = proxy.tunnel(origin.authority)
    tunnel.send(b"hello")
    far = next(conn for conn in eventually(lambda: readable(ready)) if conn.recv(5) == b"hello")
    far.sendall(b"world")
    assert tunnel.receive(5) == b"world"
    assert spares(proxy, "used") == 1
    line = line_of_last(proxy, origin, 2)
    assert line["spare"] is True and line["route"] == origin.authority
    assert 0 <= line["dial_us"] < line["total_us"]
    assert all("spare" not in other for other in proxy.log() if other["id"] != line["id"])


def readable(conns):
    return select.select(conns, [], [], 0)[0]


def test_the_spare_that_was_taken_is_made_anew(penstock, origin):
    proxy = penstock(with_spares(origin))
    prepared(proxy, origin)
    for used in range(1, 6):
        proxy.tunnel(origin.authority)
        assert spares(proxy, "used") == used
        proxy.wait_metric("penstock_spares", 2, state="ready")
    assert origin.accepts() == 8


def test_what_is_asked_for_often_has_spares_without_being_listed(penstock, origin):
    proxy = penstock({"workers": 1, "dial": {"spares": {"popular": 1, "each": 1, "age": "60s"}}})
    proxy.tunnel(origin.authority)
    proxy.tunnel(origin.authority)
    proxy.wait_metric("penstock_spares", 1, state="ready")
    proxy.tunnel(origin.authority)
    assert spares(proxy, "used") == 1


@pytest.mark.parametrize("end", ["fin", "reset", "words"])
def test_a_spare_that_the_origin_has_touched_is_never_handed_out(penstock, origin, end):
    proxy = penstock(with_spares(origin))
    for far in prepared(proxy, origin):
        if end == "words":
            far.sendall(b"220 ready\r\n")
        else:
            (reset if end == "reset" else type(far).close)(far)
    proxy.wait_metric("penstock_spares", 0, state="ready")
    assert spares(proxy, "closed") == 2
    tunnel = proxy.tunnel(origin.authority)
    far = origin.accept()
    far.sendall(b"mine")
    assert tunnel.receive(4) == b"mine"
    assert spares(proxy, "used") == 0


def test_a_spare_that_ends_as_it_is_needed_is_replaced_unseen(penstock, origin):
    proxy = penstock(with_spares(origin))
    ready = prepared(proxy, origin)
    # What happens now, the proxy sees in one moment.
    proxy.signal(signal.SIGSTOP)
    client = proxy.socket()
    client.sendall(connect_head(origin.authority))
    for far in ready:
        far.close()
    proxy.signal(signal.SIGCONT)
    assert read_reply(client).status == 200
    far = origin.accept()
    client.sendall(b"hello")
    assert far.recv(5) == b"hello"
    assert spares(proxy, "used") == 0
    proxy.wait_metric("penstock_spares_total", 2, result="closed")


def test_spares_grow_old(penstock, origin):
    proxy = penstock(with_spares(origin, age="200ms"))
    proxy.tunnel(origin.authority)
    proxy.wait_metric("penstock_spares_total", 2, result="expired")
    assert proxy.metrics().total("penstock_spares") == 0
    assert proxy.metrics().total("penstock_seats_taken") == 1


def test_the_policy_decides_as_if_there_were_none(penstock, origin):
    rules = [{**LAB, "clients": ["127.0.0.1/32"]}]
    proxy = penstock({**with_spares(origin), "policy": {"rules": rules}})
    prepared(proxy, origin)
    reply = proxy.refusal(origin.authority, source="127.0.0.9")
    assert (reply.status, reply.word) == (403, "name_denied")
    assert spares(proxy, "used") == 0
    # A reload drops them, whatever it says; and a rule that is gone opens nothing.
    proxy.reload({**with_spares(origin), "policy": {"reload": "keep", "rules": [
        {"name": "none", "allow": ["127.0.0.1:1"], "addresses": ["127.0.0.0/8"]}]}})
    proxy.wait_metric("penstock_spares", 0, state="ready")
    reply = proxy.refusal(origin.authority)
    assert (reply.status, reply.word) == (403, "name_denied")
    for far in origin.accepted[1:]:
        assert far.recv(1) == b""


def test_spares_make_room_for_clients(penstock, origin):
    proxy = penstock({**with_spares(origin), "limits": {"tunnels": 8}})
    prepared(proxy, origin)
    for _ in range(7):
        proxy.tunnel(origin.authority)
    assert proxy.refusal(origin.authority).word == "no_seat"
    assert proxy.metrics().total("penstock_spares") == 0


def test_a_drain_does_not_wait_for_spares(penstock, origin):
    proxy = penstock({**with_spares(origin), "timeouts": {"drain": "1h"}})
    prepared(proxy, origin)
    proxy.close_clients()
    origin.accepted[0].close()
    proxy.wait_metric("penstock_tunnels_open", 0)
    proxy.wait_metric("penstock_spares", 2, state="ready")
    proxy.end()
    assert "left behind: 0 connections, 0 permits, 0 frames" in proxy.stderr()


def test_nothing_is_left_behind_when_spares_are_being_dialled(penstock, listener):
    # Its backlog is full with the tunnel alone: those that follow wait for an answer.
    origin = listener(backlog=0)
    proxy = penstock(with_spares(origin, each=8))
    proxy.tunnel(origin.authority)
    proxy.wait_metric("penstock_seats_taken", 9)
    proxy.end()
    assert "left behind: 0 connections, 0 permits, 0 frames" in proxy.stderr()


def test_a_pattern_is_no_destination_for_spares(tmp_path):
    file = tmp_path / "wrong.yaml"
    file.write_text("listeners: [{address: 127.0.0.1:3128}]\n"
                    "dial: {spares: {destinations: [\"*.example.com:443\"]}}\n")
    done = run_command("check", "--config", str(file))
    assert done.returncode == 2
    assert ("dial.spares.destinations[0]: \"*.example.com:443\" is not one destination; write "
            "host:port") in done.stdout + done.stderr
