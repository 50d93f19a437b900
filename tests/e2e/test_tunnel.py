"""Bytes both ways until the end, and every way to end."""

import contextlib
import hashlib
import random
import socket
import subprocess
import threading
import time

import pytest

from wire import eventually, is_open, read_exactly, read_to_end, reset

MIB = 1 << 20


@pytest.fixture(scope="module")
def proxy(shared_penstock):
    return shared_penstock()


@pytest.fixture
def pair(proxy, listener):
    """A tunnel and the origin's end of it."""
    origin = listener()
    tunnel = proxy.tunnel(origin.authority)
    return tunnel, origin.accept()


def noise(size, seed):
    """Reproducible bytes that do not look like TLS."""
    return b"n" + random.Random(seed).randbytes(size - 1)


def entry_of(proxy, origin_end):
    """The log line of the tunnel that led to this end."""
    host, port = origin_end.getsockname()[:2]
    return proxy.wait_log(authority=f"{host}:{port}")[-1]


def test_the_end_of_the_client_is_passed_on_and_the_answer_still_flows(proxy, pair):
    tunnel, conn = pair
    tunnel.send(b"question")
    tunnel.end()
    assert read_to_end(conn) == (b"question", False)
    conn.sendall(b"answer")
    assert tunnel.receive(6) == b"answer"
    conn.sendall(b" and more")
    entry_before = [e for e in proxy.log() if e["authority"].endswith(f":{conn.getsockname()[1]}")]
    conn.shutdown(socket.SHUT_WR)
    assert tunnel.receive_to_end() == (b" and more", False)
    assert entry_before == []
    entry = entry_of(proxy, conn)
    assert (entry["bytes_up"], entry["bytes_down"], entry["status"]) == (8, 15, 200)
    assert not entry.get("error")


def test_the_end_of_the_origin_is_passed_on_and_the_client_may_go_on(proxy, pair):
    tunnel, conn = pair
    conn.sendall(b"greeting")
    conn.shutdown(socket.SHUT_WR)
    assert tunnel.receive_to_end() == (b"greeting", False)
    for piece in (b"one", b"two"):
        tunnel.send(piece)
        assert read_exactly(conn, 3) == piece
    tunnel.end()
    assert read_to_end(conn) == (b"", False)
    assert not entry_of(proxy, conn).get("error")


def test_an_origin_that_closes_at_once_is_an_end_and_no_error_page(proxy, pair):
    tunnel, conn = pair
    conn.close()
    assert tunnel.receive_to_end() == (b"", False)


@pytest.mark.parametrize("side", ["client", "origin"])
def test_a_reset_becomes_a_reset(proxy, pair, side):
    tunnel, conn = pair
    port = conn.getsockname()[1]
    tunnel.send(b"x")
    assert conn.recv(1) == b"x"
    if side == "client":
        tunnel.reset()
        assert read_to_end(conn) == (b"", True)
    else:
        reset(conn)
        assert tunnel.receive_to_end() == (b"", True)
    entry = proxy.wait_log(authority=f"127.0.0.1:{port}")[-1]
    assert (entry["error"], entry["side"]) == (f"{side}_reset", side)


def test_a_reset_behind_a_half_close_is_a_reset_too(pair):
    tunnel, conn = pair
    tunnel.end()
    assert read_to_end(conn) == (b"", False)
    reset(conn)
    assert tunnel.receive_to_end()[1]


@pytest.mark.parametrize("direction", ["up", "down"])
def test_64_mib_arrive_unchanged(proxy, pair, direction):
    tunnel, conn = pair
    source, sink = (tunnel.sock, conn) if direction == "up" else (conn, tunnel.sock)
    block = noise(MIB, seed=1)
    sent, got = hashlib.sha256(), hashlib.sha256()

    def send():
        for i in range(64):
            piece = block[i:] + block[:i]
            sent.update(piece)
            source.sendall(piece)
        source.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=send)
    thread.start()
    while piece := sink.recv(MIB):
        got.update(piece)
    thread.join()
    assert got.digest() == sent.digest()
    sink.shutdown(socket.SHUT_WR)
    entry = entry_of(proxy, conn)
    assert entry[f"bytes_{direction}"] == 64 * MIB
    assert entry["bytes_down" if direction == "up" else "bytes_up"] == 0


def test_both_directions_at_once_arrive_unchanged(proxy, pair):
    tunnel, conn = pair
    up, down = noise(8 * MIB + 7, seed=2), noise(5 * MIB + 3, seed=3)
    received = {}

    def send(sock, data):
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)

    def receive(name, sock):
        received[name] = read_to_end(sock)

    threads = [threading.Thread(target=send, args=(tunnel.sock, up)),
               threading.Thread(target=send, args=(conn, down)),
               threading.Thread(target=receive, args=("up", conn)),
               threading.Thread(target=receive, args=("down", tunnel.sock))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert received == {"up": (up, False), "down": (down, False)}
    entry = entry_of(proxy, conn)
    assert (entry["bytes_up"], entry["bytes_down"]) == (len(up), len(down))


def test_random_conversations_arrive_unchanged(proxy, listener):
    seed = random.randrange(1 << 32)
    print("seed", seed)
    dice = random.Random(seed)
    origin = listener()
    for _ in range(30):
        early = b"e" * dice.choice([0, 1, 1000, 70_000])
        tunnel = proxy.tunnel(origin.authority, early=early)
        conn = origin.accept()
        assert read_exactly(conn, len(early)) == early
        for _ in range(dice.randrange(6)):
            data = noise(dice.choice([1, 2, 100, 16_384, 65_536, 65_537, 300_000]), dice.random())
            source, sink = dice.choice([(tunnel.sock, conn), (conn, tunnel.sock)])
            thread = threading.Thread(target=source.sendall, args=(data,))
            thread.start()
            assert read_exactly(sink, len(data)) == data
            thread.join()
        first, second = dice.choice([(tunnel.sock, conn), (conn, tunnel.sock)])
        first.shutdown(socket.SHUT_WR)
        assert read_to_end(second) == (b"", False)
        second.close()
        first.close()


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_slow_reader_stops_the_sender_and_gets_everything(proxy, pair, direction):
    tunnel, conn = pair
    source, sink = (tunnel.sock, conn) if direction == "up" else (conn, tunnel.sock)
    block = noise(MIB, seed=4)
    source.settimeout(0.5)
    accepted = 0
    with contextlib.suppress(TimeoutError):
        while True:
            accepted += source.send(block[accepted % MIB:])
            assert accepted < 64 * MIB, "the proxy takes in bytes that nobody reads"
    # The other direction still works.
    sink.sendall(b"alive")
    assert read_exactly(source, 5) == b"alive"
    source.settimeout(30)
    source.shutdown(socket.SHUT_WR)
    count = 0
    while piece := sink.recv(MIB):
        begin = count % MIB
        assert piece == (block[begin:] + block)[:len(piece)]
        count += len(piece)
    assert count == accepted


@pytest.mark.parametrize("direction", ["up", "down"])
def test_bytes_in_flight_at_the_end_are_delivered(pair, direction):
    tunnel, conn = pair
    source, sink = (tunnel.sock, conn) if direction == "up" else (conn, tunnel.sock)
    data = noise(300_000, seed=5)
    send = threading.Thread(target=lambda: (source.sendall(data), source.close()))
    send.start()
    assert read_to_end(sink) == (data, False)
    send.join()


def test_small_writes_are_not_held_back(pair):
    tunnel, conn = pair
    tunnel.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # Nagle with delayed acknowledgements would take 40 ms for each: eight seconds.
    started = time.monotonic()
    for _ in range(200):
        tunnel.send(b"a")
        tunnel.send(b"b")
        assert read_exactly(conn, 2) == b"ab"
        conn.sendall(b"c")
        conn.sendall(b"d")
        assert tunnel.receive(2) == b"cd"
    assert time.monotonic() - started < 8


def test_urgent_data_does_not_break_the_stream(pair):
    tunnel, conn = pair
    tunnel.send(b"before")
    tunnel.sock.send(b"!", socket.MSG_OOB)
    tunnel.send(b"after")
    tunnel.end()
    data, was_reset = read_to_end(conn)
    assert not was_reset and data == b"before!after"


def test_the_kernel_looks_after_both_ends_of_a_tunnel_that_lives_on(pair):
    tunnel, conn = pair
    tunnel.send(b"x")
    assert read_exactly(conn, 1) == b"x"

    def guarded(peer):
        """TCP keepalive runs on the proxy's socket that faces `peer`."""
        ours, theirs = peer.getpeername()[1], peer.getsockname()[1]
        report = subprocess.run(
            ["ss", "-tnoH", f"sport = :{ours} and dport = :{theirs}"],
            capture_output=True, text=True, check=True,
        ).stdout
        return "keepalive" in report

    assert guarded(tunnel.sock)
    eventually(lambda: guarded(conn), "keepalive towards the origin")


def test_an_aborted_tunnel_leaves_no_bytes_for_the_next(proxy, listener):
    origin = listener()
    for _ in range(8):
        tunnel = proxy.tunnel(origin.authority)
        conn = origin.accept()
        tunnel.sock.settimeout(0.3)
        with contextlib.suppress(TimeoutError):
            while True:
                tunnel.sock.send(b"old" * 100_000)
        tunnel.reset()
        tunnel = proxy.tunnel(origin.authority)
        fresh = origin.accept()
        data = b"new" * 300_000
        send = threading.Thread(target=lambda end=tunnel: (end.send(data), end.end()))
        send.start()
        assert read_to_end(fresh) == (data, False)
        send.join()
        fresh.close()
        conn.close()


@pytest.mark.parametrize("key,error", [("idle", "idle"), ("lifetime", "lifetime")])
def test_a_tunnel_ends_at_its_limit_of_time(penstock, listener, key, error):
    proxy, origin = penstock({"timeouts": {key: "500ms"}}), listener()
    tunnel = proxy.tunnel(origin.authority)
    conn = origin.accept()
    tunnel.receive_to_end()
    read_to_end(conn)
    (entry,) = proxy.wait_log(error=error)
    assert entry["side"] == "proxy" and entry["total_us"] >= 500_000


def test_bytes_keep_a_tunnel_from_being_idle_and_not_from_its_lifetime(penstock, echo):
    proxy = penstock({"timeouts": {"idle": "1500ms", "lifetime": "4s"}})
    tunnel = proxy.tunnel(echo.authority)
    started = time.monotonic()
    with contextlib.suppress(ConnectionError):
        while time.monotonic() - started < 30:
            assert tunnel.echoes(b"x")
            time.sleep(0.05)
    (entry,) = proxy.wait_log(error="lifetime")
    assert entry["total_us"] >= 4_000_000


def test_a_half_closed_tunnel_ends_when_the_other_side_stays_silent(penstock, listener):
    proxy, origin = penstock({"timeouts": {"half_closed": "500ms"}}), listener()
    tunnel = proxy.tunnel(origin.authority)
    conn = origin.accept()
    tunnel.end()
    assert read_to_end(conn) == (b"", False)
    tunnel.receive_to_end()
    proxy.wait_log(error="half_closed")


def test_a_download_behind_a_half_close_may_take_longer_than_the_limit(penstock, listener):
    proxy, origin = penstock({"timeouts": {"half_closed": "1s"}}), listener()
    tunnel = proxy.tunnel(origin.authority)
    conn = origin.accept()
    tunnel.end()
    started = time.monotonic()
    sent = 0
    while time.monotonic() - started < 2.5:
        conn.sendall(b"x")
        sent += 1
        time.sleep(0.05)
    conn.close()
    assert tunnel.receive_to_end() == (b"x" * sent, False)


def test_a_bandwidth_cap_holds_and_loses_nothing(penstock, listener):
    proxy, origin = penstock({"limits": {"tunnel_bandwidth": "1MiB/s"}}), listener()
    for direction in ("up", "down"):
        tunnel = proxy.tunnel(origin.authority)
        conn = origin.accept()
        source, sink = (tunnel.sock, conn) if direction == "up" else (conn, tunnel.sock)
        data = noise(3 * MIB, seed=6)
        started = time.monotonic()
        send = threading.Thread(target=lambda end=source: (end.sendall(data),
                                                           end.shutdown(socket.SHUT_WR)))
        send.start()
        assert read_to_end(sink) == (data, False)
        send.join()
        # A burst of a second's worth may pass at once.
        assert time.monotonic() - started >= 1.5
        sink.close()


def test_server_timing_is_there_when_asked_for(penstock, proxy, echo):
    timed = penstock({"server_timing": True})
    fields = timed.tunnel(echo.authority).reply.fields
    assert {part.split(";")[0].strip() for part in fields["server-timing"].split(",")} == {
        "resolve", "dial"}
    assert "server-timing" not in proxy.tunnel(echo.authority).reply.fields


def test_tunnels_do_not_disturb_each_other(proxy, echo):
    tunnels = [proxy.tunnel(echo.authority) for _ in range(50)]
    for number, tunnel in enumerate(tunnels):
        tunnel.send(b"tunnel %3d" % number)
    for number, tunnel in enumerate(tunnels):
        assert tunnel.receive(10) == b"tunnel %3d" % number
        assert is_open(tunnel.sock)
        tunnel.close()
